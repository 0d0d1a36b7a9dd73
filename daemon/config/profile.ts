// The schema of hsm-config: one profile for each kind of module.
import { z } from 'zod';

/** A name of pkcs11t.h, or a number for a vendor's own. */
const constant = (prefix: string) =>
  z.string().regex(new RegExp(`^(${prefix}_[A-Z0-9_]+|0x[0-9a-fA-F]{1,8})$`), `${prefix}_… or 0x…`);

const tokenNames = ['label', 'serial', 'slot'] as const;

const mechanisms = z.strictObject({
  /** Mechanisms that `keyhold doctor` expects. */
  wanted: z.array(constant('CKM')).default([]),
  /** Mechanisms that the module lists but that are not used. */
  avoided: z.array(constant('CKM')).default([]),
});

const quirks = z.strictObject({
  /** C_CopyObject is missing or gains nothing: keys are used as they are in the token. */
  noCopyObject: z.boolean().default(false),
  /** Most sessions, one for each worker. */
  sessions: z.number().int().positive().max(64).optional(),
  /** Bits, where the module makes others than it lists. */
  rsaBits: z
    .strictObject({
      min: z.number().int().positive().optional(),
      max: z.number().int().positive().optional(),
    })
    .optional(),
  /**
   * Who removes the padding of RSAES-OAEP with SHA-256: the worker, after CKM_RSA_X_509, or the module. With SHA-1 it is
   * always the module.
   */
  oaepSha256: z.enum(['worker', 'module']).default('worker'),
  /** Who draws the IV of AES-GCM. `module`: it writes its own over the one in CK_GCM_PARAMS, at C_EncryptInit. */
  gcmIv: z.enum(['caller', 'module']).default('caller'),
  /** Attributes that its templates do not take; what Keyhold promises of keys stays in them. */
  omittedAttributes: z.array(constant('CKA')).default([]),
});

const login = z.strictObject({
  /** CK_USER_TYPE; 1 is CKU_USER. */
  userType: z.number().int().nonnegative().default(1),
  /** What C_Login is given; `${pin}` comes from the PIN source, `${user}` from `user` of the configuration. */
  pin: z
    .string()
    .regex(/^[^$]*(\$\{user\}[^$]*)?\$\{pin\}$/, "ends with '${pin}' and may name '${user}' before it")
    .default('${pin}'),
  /** The PIN is given at the device, C_Login gets none. */
  protectedPath: z.boolean().default(false),
});

const lack = z.strictObject({
  keySpec: z.string().min(1),
  keyUsage: z.string(),
  /** None: no algorithm of the usage. */
  algorithm: z.string().optional(),
  reason: z.string().min(1),
});

/** `hsm-config/<profile>.yaml`: what is peculiar to a kind of module. `${home}` stands for KEYHOLD_HOME. */
export const profileSchema = z.strictObject({
  name: z.string().min(1),
  /** `here`: every test run of Keyhold uses it. `not here`: written without the device. */
  tested: z.enum(['here', 'not here']).default('not here'),
  library: z.string().min(1),
  /** Environment of the worker processes. */
  environment: z.record(z.string(), z.string()).default({}),
  /** Whether the token's state is in the home, so that a copied home has a token of its own. */
  tokenInHome: z.boolean().default(false),
  /** Files that the module reads, by their path in the home. Each start writes them anew, for the place of the home. */
  files: z.record(z.string().regex(/^(?!.*\.\.)[^/].*$/, 'a path in the home'), z.string()).default({}),
  /** A script beside the profiles that `keyhold init` runs with the home, before it makes a token in a new home. */
  setup: z
    .string()
    .regex(/^[a-z0-9-]+\.setup$/, 'NAME.setup')
    .optional(),
  /** For development: `tokens/so-pin`, with which init makes the token, stays. Otherwise init removes it. */
  keepSoPin: z.boolean().default(false),
  /** Arguments of C_Initialize, for modules that need them. */
  initialize: z
    .strictObject({
      flags: z.number().int().nonnegative().optional(),
      libraryParameters: z.string().optional(),
    })
    .optional(),
  /** How a token of this module may be named; slot ids change with most modules. */
  selectBy: z.array(z.enum(tokenNames)).min(1).default(['label', 'serial']),
  login: login.prefault({}),
  mechanisms: mechanisms.prefault({}),
  quirks: quirks.prefault({}),
  /**
   * `softhsm2`: the module keeps tokens as files in the folder that the file of SOFTHSM2_CONF names, and syncs none of them.
   * Then the workers do, before a key that was made or destroyed is acknowledged.
   */
  tokenFiles: z.enum(['softhsm2']).optional(),
  /** How symmetric keys encrypt from now on: 1 = AES-GCM, 2 = AES-CBC with HMAC, for modules without GCM. */
  suite: z.union([z.literal(1), z.literal(2)]).default(1),
  /** Advice for operators before production. */
  advice: z.array(z.string().min(1)).default([]),
  /** What the module lacks of the table of key specs, as `keyhold doctor --lacks` prints it. */
  lacks: z.array(lack).optional(),
});

export type Profile = z.output<typeof profileSchema>;
export type TokenNaming = (typeof tokenNames)[number];
