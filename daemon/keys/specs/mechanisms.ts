// The mechanisms that keys of a spec need, and those that a module lacks.
import { cipherSuites } from '../../../proto/formats/ciphertext.js';
import { KeyError } from '../errors.js';
import type { KeyStore } from '../../hsm/key-store.js';
import type { TokenDescription } from '../../hsm/token-description.js';
import type { KeySpec, KeyUsageType } from '../../../proto/generated/messages.js';
import { keySpecs, usageIn } from './table.js';
import type { KeyUsageEntry } from './entry.js';
import * as pkcs11 from './pkcs11.js';

/** Returns the algorithms of a usage, each with its CKM number. */
export function algorithmMechanisms(
  usage: KeyUsageEntry,
  { traits }: Pick<TokenDescription, 'traits'>,
): readonly (readonly [name: string, type: number])[] {
  const { encryption = {}, signing = {}, mac = {}, keyAgreement = {}, encapsulation = {} } = usage;
  return [
    ...Object.entries(encryption).map(([name, { mechanism, mechanismInModule }]) => {
      return [name, (traits.oaepSha256InModule && mechanismInModule) || mechanism] as const;
    }),
    ...Object.entries(keyAgreement).map(([name, { mechanism }]) => [name, mechanism] as const),
    ...Object.entries({ ...signing, ...encapsulation }).map(([name, { mechanism }]) => {
      return [name, mechanism.type] as const;
    }),
    ...Object.entries(mac).map(([name, { type }]) => [name, type] as const),
  ];
}

/** Returns the CKM numbers of all mechanisms that keys of a usage need: for generation and for every algorithm. */
export function mechanismsOf(usage: KeyUsageEntry, token: Pick<TokenDescription, 'traits'>): number[] {
  const { template, encryption = {} } = usage;
  const macs = Object.values(encryption).flatMap(({ macMechanism }) => macMechanism ?? []);
  const making = [template.mechanism, ...(template.macKey ? [template.macKey.mechanism] : [])];
  return [...new Set([...making, ...algorithmMechanisms(usage, token).map(([, type]) => type), ...macs])];
}

/** Returns what a token lacks for keys of a usage, as phrases; empty if it lacks nothing. */
export function lackingFor(usage: KeyUsageEntry, token: TokenDescription): string[] {
  const { mechanisms } = token;
  const absent = mechanismsOf(usage, token).filter((type) => !mechanisms.has(type));
  return [...absent.map(mechanismName), ...lackingSize(usage, mechanisms), ...lackingFunctions(usage, token)];
}

/** A module may list the mechanism of ML-KEM, but have no interface with the functions that use it. */
function lackingFunctions(
  { encapsulation }: KeyUsageEntry,
  { mechanisms, traits }: TokenDescription,
): string[] {
  if (encapsulation === undefined || traits.encapsulates || !mechanisms.has(pkcs11.CKM_ML_KEM)) return [];
  return ['C_EncapsulateKey and C_DecapsulateKey of PKCS #11 v3.2 according to its profile'];
}

function lackingSize(usage: KeyUsageEntry, mechanisms: TokenDescription['mechanisms']): string[] {
  const bits = modulusBits(usage);
  const generation = mechanisms.get(usage.template.mechanism);
  if (bits === undefined || !generation) return [];
  if (bits >= generation.minKeySize && bits <= generation.maxKeySize) return [];
  return [`${mechanismName(usage.template.mechanism)} for ${bits} bits`];
}

/** One algorithm of one key spec, and whether keys in a token support it. */
export interface Capability {
  readonly keySpec: string;
  /** Empty if the spec has none, as is the algorithm. */
  readonly keyUsage: string;
  readonly algorithm: string;
  readonly mechanism: string;
  readonly supported: boolean;
  /** Only if it is not supported, as is the reason. */
  readonly lackedBy?: 'keyhold' | 'module';
  readonly reason?: string;
}

/** Compares the whole table of key specs with the capabilities of a token. */
export function capabilitiesOf(token: TokenDescription): Capability[] {
  return Object.entries(keySpecs).flatMap(([keySpec, { usages, unsupported }]) => {
    const rows = Object.keys(usages).flatMap((keyUsage) => {
      const usage = usageIn(token, keySpec as KeySpec, keyUsage as KeyUsageType)!;
      const reason = shortOf(usage, token);
      return [
        ...algorithmMechanisms(usage, token).map(([name, type]) => {
          const found = foundLack(token, keySpec, keyUsage, name);
          return capability(keySpec, keyUsage, name, mechanismName(type), unsupported, reason ?? found);
        }),
        ...Object.entries(usage.unsupported ?? {}).map(([name, why]) =>
          capability(keySpec, keyUsage, name, '', why),
        ),
      ];
    });
    const usage = Object.keys(usages)[0] ?? '';
    return rows.length > 0 ? rows : [capability(keySpec, usage, '', '', unsupported)];
  });
}

function capability(
  keySpec: string,
  keyUsage: string,
  algorithm: string,
  mechanism: string,
  ofKeyhold: string | undefined,
  ofModule?: string,
): Capability {
  const row = { keySpec, keyUsage, algorithm, mechanism };
  const reason = ofKeyhold ?? ofModule;
  if (reason === undefined) return { ...row, supported: true };
  return { ...row, supported: false, lackedBy: ofKeyhold === undefined ? 'module' : 'keyhold', reason };
}

/** Returns the reason if a token's mechanisms are not enough for keys of a usage. */
function shortOf(usage: KeyUsageEntry, token: TokenDescription): string | undefined {
  const lacking = lackingFor(usage, token);
  return lacking.length > 0 ? `the module lacks ${lacking.join(', ')}` : undefined;
}

/**
 * Returns the reason if the profile of a token says that it cannot do an algorithm.
 * @param algorithm undefined for any algorithm of the usage, since keys must support all of them
 */
function foundLack(
  { traits }: TokenDescription,
  keySpec: string,
  keyUsage: string,
  algorithm?: string,
): string | undefined {
  const found = traits.lacks.find(
    (lack) =>
      lack.keySpec === keySpec &&
      lack.keyUsage === keyUsage &&
      (lack.algorithm === undefined || algorithm === undefined || lack.algorithm === algorithm),
  );
  return found?.reason;
}

/** Checks that a token can have keys of a spec and usage. @throws KeyError (unsupported-operation) if it cannot */
export function checkMechanisms(store: KeyStore, keySpec: KeySpec, keyUsage: KeyUsageType): void {
  const usage = usageIn(store, keySpec, keyUsage)!;
  const reason = shortOf(usage, store) ?? foundLack(store, keySpec, keyUsage);
  if (reason === undefined) return;
  throw new KeyError(
    'unsupported-operation',
    `The HSM of key store '${store.name}' cannot have such a key: ${reason.replace(/^the module/, 'its module')}.`,
  );
}

/**
 * Checks that material can be imported or adopted.
 * @throws KeyError (unsupported-operation) for AES_256_CBC_HMAC_SHA_256, for which the HSM generates two keys per material,
 * and for key encapsulation
 */
export function checkImportable(store: KeyStore, { suite, encapsulation }: KeyUsageEntry): void {
  if (encapsulation !== undefined) {
    throw new KeyError(
      'unsupported-operation',
      'Key material of ML-KEM is neither imported nor adopted: the HSM makes it.',
    );
  }
  if (suite !== cipherSuites.AES_256_CBC_HMAC_SHA_256) return;
  throw new KeyError(
    'unsupported-operation',
    `Key store '${store.name}' encrypts with AES-CBC and HMAC, with two keys that its HSM makes: symmetric key material is neither imported nor adopted there.`,
  );
}

/** Returns the modulus length of an RSA usage. Key sizes do not identify curves; for those only key generation can tell. */
function modulusBits({ template }: KeyUsageEntry): number | undefined {
  const bits = template.publicAttributes?.find(([type]) => type === pkcs11.CKA_MODULUS_BITS)?.[1];
  return typeof bits === 'number' ? bits : undefined;
}

const names = new Map<number, string>(
  Object.entries(pkcs11).flatMap(([name, value]) =>
    name.startsWith('CKM_') && typeof value === 'number' ? [[value, name] as const] : [],
  ),
);

/** Returns the name of a mechanism, such as `CKM_AES_GCM`. @param type CKM number */
export function mechanismName(type: number): string {
  return names.get(type) ?? `mechanism 0x${type.toString(16)}`;
}
