// The types of fields that jobs use.
import { cipherSuites } from '../../../proto/formats/ciphertext.js';
import { type CipherKey, type Conversion, HsmError, type Mechanism, type ObjectId } from '../key-store.js';
import type { Field } from './codec.js';

/** Raw bytes. */
export const bytes: Field<Buffer> = { encode: (value) => value, decode: (part) => part };

/**
 * CKA_ID of a key that the job uses. The pool prefers workers that know the key, and fails the job while the key is being
 * destroyed.
 */
export const keyId: Field<ObjectId> = { ...bytes, isKey: true };

/** Text in UTF-8. */
export const text: Field<string> = {
  encode: (value) => Buffer.from(value),
  decode: (part) => part.toString(),
};

/** A boolean: one byte, 1 or 0. */
export const flag: Field<boolean> = {
  encode: (value) => Buffer.of(value ? 1 : 0),
  decode: (part) => part[0] === 1,
};

const maxRandom = 1024;

/** Number of random bytes, 1 to 1,024. */
export const randomLength: Field<number> = {
  encode(value) {
    if (!Number.isInteger(value) || value < 1 || value > maxRandom)
      throw new HsmError('internal', `${value} random bytes were asked for, not 1 to ${maxRandom}`);
    const part = Buffer.alloc(4);
    part.writeUInt32LE(value);
    return part;
  },
  decode: (part) => part.readUInt32LE(0),
};

/** An enumeration as one byte. Only for arguments: encoded bytes are shared, and those of results are wiped. */
function oneOf<T extends string | number>(
  codes: Readonly<Record<T, number>>,
  values: readonly T[],
): Field<T> {
  const parts = new Map(values.map((value) => [value, Buffer.of(codes[value])]));
  const byCode: (T | undefined)[] = [];
  for (const value of values) byCode[codes[value]] = value;
  return {
    encode: (value) => parts.get(value)!,
    decode(part) {
      const value = byCode[part[0] ?? -1];
      if (value === undefined)
        throw new HsmError('internal', `An HSM job names a value by the unknown code ${part[0]}`);
      return value;
    },
  };
}

const { AES_256_GCM, AES_256_CBC_HMAC_SHA_256 } = cipherSuites;

/** The cipher suite of a key. */
export const cipherSuite: Field<CipherKey['suite']> = oneOf<CipherKey['suite']>(
  { [AES_256_GCM]: 1, [AES_256_CBC_HMAC_SHA_256]: 2, 'rsa-oaep-sha1': 0x81, 'rsa-oaep-sha256': 0x82 },
  [AES_256_GCM, AES_256_CBC_HMAC_SHA_256, 'rsa-oaep-sha1', 'rsa-oaep-sha256'],
);

/** The conversion of a signature. */
export const conversion: Field<Conversion> = oneOf<Conversion>(
  { none: 0, 'ecdsa-der-32': 32, 'ecdsa-der-48': 48, 'ecdsa-der-66': 66 },
  ['none', 'ecdsa-der-32', 'ecdsa-der-48', 'ecdsa-der-66'],
);

/** A value as JSON. Both ends run the same version; the daemon checks what comes from a worker where that matters. */
export function json<T>(): Field<T> {
  return {
    encode: (value) => Buffer.from(JSON.stringify(value)),
    decode: (part) => JSON.parse(part.toString()) as T,
  };
}

/** JSON of objects that live as long as the daemon, such as entries of the key spec table. Each is encoded once. */
export function constantJson<T extends object>(): Field<T> {
  const encoded = new WeakMap<T, Buffer>();
  const plain = json<T>();
  return {
    encode(value) {
      let part = encoded.get(value);
      if (part === undefined) encoded.set(value, (part = plain.encode(value)));
      return part;
    },
    decode: (part) => plain.decode(part),
  };
}

const decodedMechanisms = new Map<string, Mechanism>();

/** A mechanism. The key spec table has few of them, so each is also decoded only once. */
export const mechanism: Field<Mechanism> = {
  ...constantJson<Mechanism>(),
  decode(part) {
    const name = part.toString('latin1');
    let value = decodedMechanisms.get(name);
    if (value === undefined) decodedMechanisms.set(name, (value = JSON.parse(name) as Mechanism));
    return value;
  },
};

/** A list of a few short byte strings. */
export const byteStrings: Field<readonly Buffer[]> = {
  encode: (values) => Buffer.from(JSON.stringify(values.map((value) => value.toString('base64')))),
  decode: (part) => (JSON.parse(part.toString()) as string[]).map((value) => Buffer.from(value, 'base64')),
};
