// Decides whether an existing object of the token can become a key of Keyhold, and of which spec.
import type { KeySpec, KeyUsageType } from '../../../proto/generated/messages.js';
import type { Attributes, InspectedObject } from '../../hsm/key-store.js';
import { keySpecs, type KeyUsageEntry } from '../specs/table.js';
import {
  CKA_ALWAYS_AUTHENTICATE,
  CKA_ALWAYS_SENSITIVE,
  CKA_CLASS,
  CKA_DECRYPT,
  CKA_DERIVE,
  CKA_EC_PARAMS,
  CKA_ENCRYPT,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_KEY_TYPE,
  CKA_LABEL,
  CKA_LOCAL,
  CKA_MODULUS,
  CKA_MODULUS_BITS,
  CKA_NEVER_EXTRACTABLE,
  CKA_PRIVATE,
  CKA_SENSITIVE,
  CKA_SIGN,
  CKA_SIGN_RECOVER,
  CKA_UNWRAP,
  CKA_VALUE_LEN,
  CKA_VERIFY,
  CKA_VERIFY_RECOVER,
  CKA_WRAP,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKO_SECRET_KEY,
} from '../specs/pkcs11.js';

/** Attributes that say what a key may be used for. */
const usageNames: ReadonlyMap<number, string> = new Map([
  [CKA_ENCRYPT, 'CKA_ENCRYPT'],
  [CKA_DECRYPT, 'CKA_DECRYPT'],
  [CKA_SIGN, 'CKA_SIGN'],
  [CKA_VERIFY, 'CKA_VERIFY'],
  [CKA_WRAP, 'CKA_WRAP'],
  [CKA_UNWRAP, 'CKA_UNWRAP'],
  [CKA_DERIVE, 'CKA_DERIVE'],
  [CKA_SIGN_RECOVER, 'CKA_SIGN_RECOVER'],
  [CKA_VERIFY_RECOVER, 'CKA_VERIFY_RECOVER'],
]);

/** Attributes that an object must have, with advice for when it does not. */
const promises: readonly (readonly [type: number, wanted: boolean, fault: string])[] = [
  [
    CKA_PRIVATE,
    true,
    'CKA_PRIVATE is not true, so it can be used without a login: copy it to an object of which it is true',
  ],
  [
    CKA_SENSITIVE,
    true,
    'CKA_SENSITIVE is not true, so it can be read in the clear: set it to true with a tool of your HSM',
  ],
  [
    CKA_EXTRACTABLE,
    false,
    'CKA_EXTRACTABLE is not false, so it can leave the HSM: set it to false with a tool of your HSM',
  ],
];

/** Attributes that should always have been true; if one was not, the key has a warning. */
const histories: readonly (readonly [type: number, name: string])[] = [
  [CKA_ALWAYS_SENSITIVE, 'CKA_ALWAYS_SENSITIVE'],
  [CKA_NEVER_EXTRACTABLE, 'CKA_NEVER_EXTRACTABLE'],
  [CKA_LOCAL, 'CKA_LOCAL'],
];

/** Attributes of a candidate that are read; never its value. */
export const inspectedTypes: readonly number[] = [
  CKA_CLASS,
  CKA_ID,
  CKA_LABEL,
  CKA_KEY_TYPE,
  CKA_VALUE_LEN,
  CKA_MODULUS,
  CKA_EC_PARAMS,
  CKA_ALWAYS_AUTHENTICATE,
  ...promises.map(([type]) => type),
  ...histories.map(([type]) => type),
  ...usageNames.keys(),
];

/** The objects of one key: a secret key, or both of a pair. */
export interface Candidate {
  readonly id: Buffer;
  readonly secret: InspectedObject;
  readonly public: InspectedObject | undefined;
}

/** The object cannot be adopted, or its name does not identify it. The message is for people. */
export class NotAdoptable extends Error {}

const isTrue = (object: InspectedObject, type: number): boolean => object.get(type)?.[0] === 1;

const numberOf = (object: InspectedObject, type: number): number | undefined => {
  const value = object.get(type);
  return value && value.length >= 4 ? value.readUInt32LE(0) : undefined;
};

/** Finds the single CKA_ID of the keys among some objects. @throws NotAdoptable if there is not exactly one */
export function idOf(objects: readonly InspectedObject[], name: string): Buffer {
  const ids = objects
    .filter((object) => [CKO_SECRET_KEY, CKO_PRIVATE_KEY].includes(numberOf(object, CKA_CLASS) ?? 0))
    .map((object) => object.get(CKA_ID) ?? Buffer.alloc(0));
  const [id, ...others] = ids;
  if (id === undefined)
    throw new NotAdoptable(`The token has no secret or private key ${name} that Keyhold can see`);
  if (id.length === 0)
    throw new NotAdoptable(
      `The key ${name} has no CKA_ID, by which Keyhold finds keys: give it one with a tool of your HSM, such as ` +
        "'pkcs11-tool --set-id'",
    );
  if (others.length > 0)
    throw new NotAdoptable(
      `The token has ${ids.length} keys ${name}: name one by its CKA_ID, or give them ids of their own`,
    );
  return id;
}

/**
 * Collects the objects of a CKA_ID.
 * @param objects all objects with the CKA_ID; certificates among them are ignored
 * @throws NotAdoptable if they are not exactly one key
 */
export function candidate(objects: readonly InspectedObject[]): Candidate {
  const ofClass = (wanted: number) => objects.filter((object) => numberOf(object, CKA_CLASS) === wanted);
  const [secretKeys, privateKeys, publicKeys] = [CKO_SECRET_KEY, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY].map(
    ofClass,
  );
  const [secret, ...others] = [...secretKeys!, ...privateKeys!];
  const id = secret?.get(CKA_ID);
  if (!secret || !id) throw new NotAdoptable('The token has no secret or private key of that CKA_ID');
  if (others.length > 0 || publicKeys!.length > 1)
    throw new NotAdoptable(
      'More than one key has this CKA_ID, by which Keyhold finds keys: give them ids of their own',
    );
  const isPair = privateKeys!.length === 1;
  if (isPair && publicKeys!.length === 0)
    throw new NotAdoptable(
      'The token has the private key, but no public key with its CKA_ID: put that there too',
    );
  if (objects.some((object) => object.get(CKA_LABEL)?.toString().startsWith('keyhold/')))
    throw new NotAdoptable('Its label begins with keyhold/: it is a key of a Keyhold');
  return { id, secret, public: isPair ? publicKeys![0] : undefined };
}

/** Determines the key spec of a candidate from type, length and curve. @throws NotAdoptable if there is none */
export function specOf(found: Candidate): KeySpec {
  const object = found.public ?? found.secret;
  const modulus = object.get(CKA_MODULUS);
  // Modules differ in whether they give CKA_MODULUS_BITS of keys that they did not generate.
  const bits = modulus?.length ? BigInt(`0x${modulus.toString('hex')}`).toString(2).length : undefined;
  const actual: Readonly<Record<number, boolean | number | string | undefined>> = {
    [CKA_KEY_TYPE]: numberOf(found.secret, CKA_KEY_TYPE),
    [CKA_VALUE_LEN]: numberOf(found.secret, CKA_VALUE_LEN),
    [CKA_MODULUS_BITS]: bits,
    [CKA_EC_PARAMS]: object.get(CKA_EC_PARAMS)?.toString('hex'),
  };
  const isLike = (wanted: Attributes) =>
    wanted.every(([type, value]) => !(type in actual) || actual[type] === value);
  const [spec] = Object.entries(keySpecs).find(([, { usages }]) => {
    const template = Object.values(usages)[0]?.template;
    return (
      template &&
      (template.publicAttributes !== undefined) === (found.public !== undefined) &&
      isLike([...template.attributes, ...(template.publicAttributes ?? [])])
    );
  }) ?? [undefined];
  if (spec) return spec as KeySpec;
  const length = actual[CKA_VALUE_LEN] === undefined ? '' : `, ${String(actual[CKA_VALUE_LEN])} bytes`;
  const curve = actual[CKA_EC_PARAMS] === undefined ? '' : `, CKA_EC_PARAMS ${String(actual[CKA_EC_PARAMS])}`;
  const size = bits === undefined ? '' : `, ${bits} bits`;
  throw new NotAdoptable(
    `It is of no key spec that Keyhold has (CKA_KEY_TYPE ${actual[CKA_KEY_TYPE]}${length}${size}${curve})`,
  );
}

/**
 * Checks a candidate for a usage.
 * @returns its shortfalls, for its record
 * @throws NotAdoptable that names all its faults
 */
export function checkAdoptable(
  found: Candidate,
  keyUsage: KeyUsageType,
  { template }: KeyUsageEntry,
): string[] {
  const faults: string[] = [];
  for (const [type, wanted, fault] of promises)
    if (!found.secret.has(type) || isTrue(found.secret, type) !== wanted) faults.push(fault);
  if (isTrue(found.secret, CKA_ALWAYS_AUTHENTICATE))
    faults.push('CKA_ALWAYS_AUTHENTICATE is true, so each use of it would need the PIN anew');
  const shortfalls = histories.filter(([type]) => !isTrue(found.secret, type)).map(([, name]) => name);
  const compare = (object: InspectedObject, attributes: Attributes) => {
    const wanted = new Map(attributes);
    for (const [type, name] of usageNames) {
      if (wanted.get(type) === true && !isTrue(object, type))
        faults.push(`${name} is not true, which keys of usage ${keyUsage} need`);
      if (wanted.get(type) !== true && isTrue(object, type)) shortfalls.push(name);
    }
  };
  compare(found.secret, template.attributes);
  if (found.public) {
    // What anybody may do with the public key is no shortfall.
    const before = shortfalls.length;
    compare(found.public, template.publicAttributes ?? []);
    shortfalls.length = before;
  }
  if (faults.length > 0) throw new NotAdoptable(faults.join('; '));
  return found.public || keyUsage !== 'ENCRYPT_DECRYPT' ? shortfalls : [...shortfalls, 'messages'];
}
