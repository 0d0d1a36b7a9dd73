// Makes token objects from imported key material. Before any token object is created, the material is checked: that it fits
// the key spec, and that a private key belongs to the public key derived from it.
import pkcs11, { type Attribute, type Handle } from 'pkcs11js';
import { HsmError, type Attributes, type ImportTarget } from '../../key-store.js';
import { merge, promisedOfPublic, promisedOfSecret } from '../generation.js';
import { ecPublicKey, edwardsPair, notPkcs8, type PublicKey, rsaPublicKey } from './imported-pairs.js';
import { toPkcs11Mechanism } from '../mechanisms.js';
import { CKK_EC_EDWARDS, attributeReader } from '../public-keys.js';
import { meaningOf } from '../../pkcs11/return-values.js';
import type { Token } from '../token.js';
import { aesKeyWrapPad, type Material } from './unwrapping.js';

/** The token objects of an import. */
export interface Imported {
  readonly handles: readonly Handle[];
  readonly checkValue: Buffer;
  /** Whether the material was in the memory of this process. */
  readonly leftHsm: boolean;
}

/** 32 bytes whose ciphertext or MAC identifies a secret key. They must never change: key material IDs depend on them. */
const checkText = Buffer.from('keyhold key material check value');

/**
 * Makes the token objects of a key from imported material.
 * @param id CKA_ID, 16 bytes
 * @param label CKA_LABEL in UTF-8
 * @throws HsmError 'invalid-ciphertext', 'incorrect-key-material'; no object is left then
 */
export function importMaterial(
  token: Token,
  material: Material,
  id: Buffer,
  label: Buffer,
  target: ImportTarget,
): Imported {
  const { template, secret } = target;
  if (secret !== undefined) return importSecret(token, material, id, label, { template, secret });
  const pair = { token, material, promised: promisedOfSecret(id, label, template), template };
  const { publicKey, privateKey, leftHsm } = importPrivate(pair);
  const handles = [privateKey];
  try {
    const open = merge(withoutModulusBits(template.publicAttributes ?? []), [
      { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PUBLIC_KEY },
      ...publicKey.attributes,
      ...promisedOfPublic(id, label),
    ]);
    handles.push(token.module.C_CreateObject(token.session, open));
  } catch (error) {
    token.module.C_DestroyObject(token.session, privateKey);
    throw error;
  }
  return { handles, checkValue: publicKey.spki, leftHsm };
}

/**
 * Distinguishes material that cannot be decrypted from material that cannot be used. A module returns the same error for
 * both, so after an error the material is unwrapped once more as arbitrary bytes. That succeeds only if the wrapped bytes
 * are authentic (OAEP, or the integrity check of RFC 5649), so the difference is no oracle: nobody can make such a ciphertext
 * without knowing its content.
 * @throws HsmError 'invalid-ciphertext', 'incorrect-key-material' with the reason
 */
export function distinguishUnusable<T>(
  token: Token,
  material: Material,
  { secret }: ImportTarget,
  attempt: () => T,
): T {
  try {
    return attempt();
  } catch (error) {
    if (!(error instanceof HsmError) || error.code !== 'invalid-ciphertext' || !unwraps(token, material))
      throw error;
    throw secret ? wrongLength(secret) : notPkcs8();
  }
}

function unwraps({ module, session }: Token, material: Material): boolean {
  try {
    module.C_DestroyObject(
      session,
      material.make([
        { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
        { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_GENERIC_SECRET },
        { type: pkcs11.CKA_TOKEN, value: false },
        { type: pkcs11.CKA_PRIVATE, value: true },
        { type: pkcs11.CKA_SENSITIVE, value: true },
        { type: pkcs11.CKA_EXTRACTABLE, value: false },
      ]),
    );
    return true;
  } catch (error) {
    if (error instanceof HsmError && error.code === 'invalid-ciphertext') return false;
    throw error;
  }
}

interface PairTarget {
  readonly token: Token;
  readonly material: Material;
  readonly promised: Attribute[];
  readonly template: ImportTarget['template'];
}

function importPrivate({ token, material, promised, template }: PairTarget): {
  publicKey: PublicKey;
  privateKey: Handle;
  leftHsm: boolean;
} {
  const isPrivate = { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PRIVATE_KEY };
  const lasting = merge(template.attributes, [isPrivate, ...promised]);
  const keyType = numberOf(template.attributes, pkcs11.CKA_KEY_TYPE);
  if (keyType === CKK_EC_EDWARDS) {
    const pair = edwardsPair(token, material, template.publicAttributes ?? []);
    try {
      return {
        publicKey: pair.publicKey,
        privateKey: token.module.C_CreateObject(token.session, [...lasting, ...pair.attributes]),
        leftHsm: true,
      };
    } finally {
      pair.wipe();
    }
  }
  const read = keyType === pkcs11.CKK_RSA ? rsaPublicKey : ecPublicKey;
  const publicKey = read(token, material, template.publicAttributes ?? []);
  return { publicKey, privateKey: material.make(lasting), leftHsm: false };
}

function importSecret(
  token: Token,
  material: Material,
  id: Buffer,
  label: Buffer,
  { template, secret }: Required<ImportTarget>,
): Imported {
  const isSecret = { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY };
  const length =
    material.paddedLength ?? lengthOf(token, material, numberOf(template.attributes, pkcs11.CKA_KEY_TYPE));
  if (length < secret.shortest || length > secret.longest) throw wrongLength(secret);
  const attributes = template.attributes.filter(([type]) => type !== pkcs11.CKA_VALUE_LEN);
  const handle = material.make(merge(attributes, [isSecret, ...promisedOfSecret(id, label, template)]));
  try {
    return { handles: [handle], checkValue: checkValueOf(token, handle, secret), leftHsm: false };
  } catch (error) {
    token.module.C_DestroyObject(token.session, handle);
    throw error;
  }
}

/**
 * Computes a value that identifies a secret key.
 * @param text 32 bytes that no caller of Keyhold chooses, as its ciphertext is that of two blocks without a mode
 */
export function checkValueOf(
  { module, session }: Token,
  key: Handle,
  secret: Required<ImportTarget>['secret'],
  text: Buffer = checkText,
): Buffer {
  const { mac } = secret;
  try {
    const output = Buffer.alloc(256);
    if (mac === undefined) {
      module.C_EncryptInit(session, { mechanism: pkcs11.CKM_AES_ECB }, key);
      return Buffer.from(module.C_Encrypt(session, text, output));
    }
    module.C_SignInit(session, toPkcs11Mechanism(mac), key);
    return Buffer.from(module.C_Sign(session, text, output));
  } catch (error) {
    // SoftHSM 2.6.1 refuses a key of an impossible length only when it is used.
    if (meaningOf(error)?.code !== 'unsupported') throw error;
    throw wrongLength(secret);
  }
}

function wrongLength({ shortest, longest }: Required<ImportTarget>['secret']): HsmError {
  const wanted = shortest === longest ? `${shortest} bytes` : `${shortest} to ${longest} bytes`;
  return new HsmError(
    'incorrect-key-material',
    `The key material was decrypted, but its length does not fit the key spec, which takes ${wanted} without any encoding.`,
  );
}

/**
 * Measures a secret key, in bytes. SoftHSM 2.6.1 has no CKA_VALUE_LEN for a key that was unwrapped. So a copy that may be
 * wrapped is wrapped again under a key of the HSM, which gives the length rounded up to a multiple of eight. That is exact
 * enough for every key spec, except for short keys, which SoftHSM refuses to use.
 */
function lengthOf(token: Token, material: Material, keyType: number): number {
  const { module, session } = token;
  const probe = material.make([
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
    { type: pkcs11.CKA_KEY_TYPE, value: keyType },
    { type: pkcs11.CKA_TOKEN, value: false },
    { type: pkcs11.CKA_PRIVATE, value: true },
    { type: pkcs11.CKA_SENSITIVE, value: true },
    { type: pkcs11.CKA_EXTRACTABLE, value: true },
  ]);
  try {
    const length = attributeReader(token, probe)(pkcs11.CKA_VALUE_LEN);
    if (length.length > 0 && length.readUInt32LE(0) > 0) return length.readUInt32LE(0);
    const key = module.C_GenerateKey(session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, [
      { type: pkcs11.CKA_TOKEN, value: false },
      { type: pkcs11.CKA_PRIVATE, value: true },
      { type: pkcs11.CKA_VALUE_LEN, value: 32 },
      { type: pkcs11.CKA_WRAP, value: true },
    ]);
    try {
      return module.C_WrapKey(session, aesKeyWrapPad, key, probe, Buffer.alloc(8_192)).length - 8;
    } finally {
      module.C_DestroyObject(session, key);
    }
  } finally {
    module.C_DestroyObject(session, probe);
  }
}

function numberOf(attributes: Attributes, wanted: number): number {
  return Number(attributes.find(([type]) => type === wanted)?.[1]);
}

function withoutModulusBits(attributes: Attributes): Attributes {
  return attributes.filter(([type]) => type !== pkcs11.CKA_MODULUS_BITS);
}
