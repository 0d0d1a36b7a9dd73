// What keys of a spec need of a module, and what the module lacks of it.
import { exceptions } from '../../proto/errors.js';
import type { KeyStore, TokenDescription } from '../hsm/key-store.js';
import type { KeyUsageEntry } from './specs/entry.js';
import * as pkcs11 from './specs/pkcs11.js';

/** CKM numbers of all that keys of a usage need: to be made, and for every algorithm. */
export function mechanismsOf(usage: KeyUsageEntry): number[] {
  const { template, encryption, signing, mac, keyAgreement, encapsulation } = usage;
  return [
    ...new Set([
      template.mechanism,
      ...Object.values(encryption ?? {}).map(({ mechanism }) => mechanism),
      ...Object.values(signing ?? {}).map(({ mechanism }) => mechanism.type),
      ...Object.values(keyAgreement ?? {}).map(({ mechanism }) => mechanism),
      ...[mac, encapsulation].flatMap((entries) => Object.values(entries ?? {}).map(({ type }) => type)),
    ]),
  ];
}

/** What a token lacks for keys of a usage, each as a phrase; nothing: it can do all of it. */
export function lackingFor(usage: KeyUsageEntry, { mechanisms }: TokenDescription): string[] {
  const absent = mechanismsOf(usage).filter((type) => !mechanisms.has(type));
  const lacking = absent.map(mechanismName);
  const bits = modulusBits(usage);
  const generation = mechanisms.get(usage.template.mechanism);
  if (bits !== undefined && generation && (bits < generation.minKeySize || bits > generation.maxKeySize))
    lacking.push(`${mechanismName(usage.template.mechanism)} for ${bits} bits`);
  return lacking;
}

/** @throws UnsupportedOperationException where the token lacks a mechanism that keys of the usage need */
export function checkMechanisms(store: KeyStore, usage: KeyUsageEntry): void {
  const lacking = lackingFor(usage, store);
  if (lacking.length === 0) return;
  throw new exceptions.UnsupportedOperationException(
    `The HSM of key store '${store.name}' cannot have such a key: its module lacks ${lacking.join(', ')}.`,
  );
}

/** Curves are not told by a mechanism's key sizes: what a module lacks of them its key generation says. */
function modulusBits({ template }: KeyUsageEntry): number | undefined {
  const bits = template.publicAttributes?.find(([type]) => type === pkcs11.CKA_MODULUS_BITS)?.[1];
  return typeof bits === 'number' ? bits : undefined;
}

const names = new Map<number, string>(
  Object.entries(pkcs11).flatMap(([name, value]) =>
    name.startsWith('CKM_') && typeof value === 'number' ? [[value, name] as const] : [],
  ),
);

function mechanismName(type: number): string {
  return names.get(type) ?? `mechanism 0x${type.toString(16)}`;
}
