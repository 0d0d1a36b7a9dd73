// The schema of the files in hsm-config: one profile for each kind of module.
import { z } from 'zod';

/** The name of a constant of pkcs11t.h, or a number for a vendor-defined one. */
const constant = (prefix: string) =>
  z.string().regex(new RegExp(`^(${prefix}_[A-Z0-9_]+|0x[0-9a-fA-F]{1,8})$`), `${prefix}_… or 0x…`);

const tokenNames = ['label', 'serial', 'slot'] as const;

const mechanisms = z.strictObject({
  /** Mechanisms that `keyhold doctor` expects. */
  wanted: z.array(constant('CKM')).default([]),
  /** Mechanisms that the module lists but Keyhold must not use. */
  avoided: z.array(constant('CKM')).default([]),
});

const quirks = z.strictObject({
  /** C_CopyObject is missing or gains nothing: token objects are used directly. */
  noCopyObject: z.boolean().default(false),
  /** Maximum number of sessions, one for each worker. */
  sessions: z.number().int().positive().max(64).optional(),
  /** Sizes in bits of the RSA keys that the module really generates, if it lists others. */
  rsaBits: z
    .strictObject({
      min: z.number().int().positive().optional(),
      max: z.number().int().positive().optional(),
    })
    .optional(),
  /**
   * What removes the padding of RSAES-OAEP with SHA-256: the worker, after CKM_RSA_X_509, or the module. With SHA-1 it is
   * always the module.
   */
  oaepSha256: z.enum(['worker', 'module']).default('worker'),
  /** What draws the IV of AES-GCM. `module`: it overwrites the one in CK_GCM_PARAMS at C_EncryptInit. */
  gcmIv: z.enum(['caller', 'module']).default('caller'),
  /** The module has C_EncapsulateKey and C_DecapsulateKey in an interface of PKCS #11 v3.2, for ML-KEM. */
  encapsulates: z.boolean().default(false),
  /** Attributes that the module accepts in no template, except for those that every key of Keyhold has. */
  omittedAttributes: z.array(constant('CKA')).default([]),
});

const login = z.strictObject({
  /** CK_USER_TYPE; 1 is CKU_USER. */
  userType: z.number().int().nonnegative().default(1),
  /** The argument of C_Login; `${pin}` comes from the PIN source, `${user}` from `user` in the configuration. */
  pin: z
    .string()
    .regex(/^[^$]*(\$\{user\}[^$]*)?\$\{pin\}$/, "ends with '${pin}' and may name '${user}' before it")
    .default('${pin}'),
  /** The PIN is entered at the device, and C_Login gets none. */
  protectedPath: z.boolean().default(false),
});

const lack = z.strictObject({
  keySpec: z.string().min(1),
  keyUsage: z.string(),
  /** Absent: every algorithm of the usage. */
  algorithm: z.string().optional(),
  reason: z.string().min(1),
});

const multiRegion = z.strictObject({
  /** Why no token of the module can be linked. */
  refused: z.string().min(1).optional(),
  /** Key specs whose material the module does not wrap. */
  lacks: z.array(z.strictObject({ keySpec: z.string().min(1), reason: z.string().min(1) })).default([]),
});

/** `hsm-config/<profile>.yaml`: the peculiarities of a kind of module. `${home}` is replaced by KEYHOLD_HOME. */
export const profileSchema = z.strictObject({
  name: z.string().min(1),
  /** `here`: every test run of Keyhold uses the module. `not here`: the profile was written without the device. */
  tested: z.enum(['here', 'not here']).default('not here'),
  library: z.string().min(1),
  /** Environment of the worker processes. */
  environment: z.record(z.string(), z.string()).default({}),
  /** Whether the token is stored in the home, so that a copied home has a separate token. */
  tokenInHome: z.boolean().default(false),
  /**
   * Files that the module reads, by their path in the home. Each start writes them again, as paths of the home may change.
   */
  files: z.record(z.string().regex(/^(?!.*\.\.)[^/].*$/, 'a path in the home'), z.string()).default({}),
  /** A script beside the profiles that `keyhold init` runs before it initialises a token in a new home. */
  setup: z
    .string()
    .regex(/^[a-z0-9-]+\.setup$/, 'NAME.setup')
    .optional(),
  /**
   * For development: init keeps the SO PIN that it initialised the token with, in `tokens/so-pin`. Otherwise it removes
   * it.
   */
  keepSoPin: z.boolean().default(false),
  /** Arguments of C_Initialize, for modules that need them. */
  initialize: z
    .strictObject({
      flags: z.number().int().nonnegative().optional(),
      libraryParameters: z.string().optional(),
    })
    .optional(),
  /** The ways to identify a token of this module; with most modules slot IDs change. */
  selectBy: z.array(z.enum(tokenNames)).min(1).default(['label', 'serial']),
  login: login.prefault({}),
  mechanisms: mechanisms.prefault({}),
  quirks: quirks.prefault({}),
  /**
   * `softhsm2`: the module keeps tokens as files in the folder that the file of SOFTHSM2_CONF names, and does not sync them.
   * The workers sync them before the creation or destruction of a key is acknowledged.
   */
  tokenFiles: z.enum(['softhsm2']).optional(),
  /** Cipher suite of new symmetric keys: 1 = AES_256_GCM, 2 = AES_256_CBC_HMAC_SHA_256 for modules without GCM. */
  suite: z.union([z.literal(1), z.literal(2)]).default(1),
  /** Advice for operators before production. */
  advice: z.array(z.string().min(1)).default([]),
  /** The entries of the key spec table that the module does not support, as `keyhold doctor --lacks` prints them. */
  lacks: z.array(lack).optional(),
  /** What speaks against multi-Region keys. A ceremony tries the module whatever this says. */
  multiRegion: multiRegion.prefault({}),
});

/** A profile. */
export type Profile = z.output<typeof profileSchema>;
/** A way to identify a token. */
export type TokenNaming = (typeof tokenNames)[number];
