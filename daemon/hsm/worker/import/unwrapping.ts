// Makes session or token objects from wrapped key material, with C_UnwrapKey wherever the module supports it.
//
// Material may be unwrapped more than once: first as a session object that shows its length, curve or modulus, then as the
// final token object. A session object that may be wrapped again, to measure it, is still sensitive.
import { createCipheriv } from 'node:crypto';
import pkcs11, { type Attribute, type Handle, type Mechanism } from 'pkcs11js';
import type { Wrapping } from '../../key-store.js';
import { classifyDecryptError, invalidCiphertext } from '../ciphers/decryption.js';
import type { KeyObjects } from '../objects.js';
import { attributeReader } from '../public-keys.js';
import { meaningOf } from '../../pkcs11/return-values.js';
import { decryptOaepSha256 } from '../ciphers/rsa-ciphers.js';
import type { Token } from '../token.js';

/** Key material that is unwrapped again for each object made from it. */
export interface Material {
  /** Whether the material or the key that wrapped it was in the memory of this process. */
  readonly leftHsm: boolean;
  /** Length in bytes, rounded up to a multiple of eight, if it is known without a look at the material. */
  readonly paddedLength?: number;
  /**
   * Makes an object.
   * @throws HsmError 'invalid-ciphertext' if the material does not unwrap to a key of the template's type
   */
  make(attributes: readonly Attribute[]): Handle;
  /** Destroys the session key that unwraps the material. */
  close(): void;
}

/** AES key wrap with padding (RFC 5649), under SoftHSM's number. */
export const aesKeyWrapPad: Mechanism = { mechanism: 0x210a };
/** The alternative initial value of RFC 5649, section 3. */
const aesKeyWrapPadIv = Buffer.from('a65959a6', 'hex');

const hashes = {
  sha1: { hashAlg: pkcs11.CKM_SHA_1, mgf: pkcs11.CKG_MGF1_SHA1 },
  sha256: { hashAlg: pkcs11.CKM_SHA256, mgf: pkcs11.CKG_MGF1_SHA256 },
} as const;

/** Template of an AES session key that can only unwrap. */
const unwrappingKey: readonly Attribute[] = [
  { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
  { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_AES },
  { type: pkcs11.CKA_TOKEN, value: false },
  { type: pkcs11.CKA_PRIVATE, value: true },
  { type: pkcs11.CKA_SENSITIVE, value: true },
  { type: pkcs11.CKA_EXTRACTABLE, value: false },
  { type: pkcs11.CKA_UNWRAP, value: true },
];

/**
 * Opens material that is wrapped under an RSA pair of the token.
 * @param id CKA_ID of the RSA pair
 * @throws HsmError 'invalid-ciphertext'
 */
export function openWrapped(
  token: Token,
  objects: KeyObjects,
  id: Buffer,
  { hash, aes }: Wrapping,
  wrapped: Buffer,
): Material {
  const length = objects.usePublic(id, (key) => attributeReader(token, key)(pkcs11.CKA_MODULUS).length);
  // The RSA ciphertext is as long as the modulus (RFC 8017, section 7.1.2, step 1b). The rest is at least two blocks.
  if (aes ? wrapped.length < length + 16 : wrapped.length !== length) throw invalidCiphertext();
  const encrypted = Buffer.from(wrapped.subarray(0, length));
  const mechanism = {
    mechanism: pkcs11.CKM_RSA_PKCS_OAEP,
    parameter: { type: pkcs11.CK_PARAMS_RSA_OAEP, ...hashes[hash], source: 1 },
  };
  const unwrapping = (attributes: readonly Attribute[]): Handle =>
    objects.use(id, (key) => unwrap(token, mechanism, key, encrypted, attributes));
  const inModule = hash === 'sha1' || takesMechanism(() => unwrapping(unwrappingKey), token);
  if (inModule) {
    if (!aes) return { leftHsm: false, make: unwrapping, close: () => undefined };
    return underKey(token, unwrapping(unwrappingKey), wrapped.subarray(length), false);
  }
  const plaintext = objects.use(id, (key) => decryptOaepSha256(token, key, encrypted));
  try {
    if (!aes) return openPlaintext(token, plaintext);
    return underKey(token, createUnwrappingKey(token, plaintext), wrapped.subarray(length), true);
  } finally {
    plaintext.fill(0);
  }
}

/**
 * Opens material in the clear by wrapping it under an AES session key, because many HSMs accept keys in no other way.
 * @param plaintext the caller wipes it
 */
export function openPlaintext(token: Token, plaintext: Buffer): Material {
  const key = token.module.C_GenerateRandom(token.session, Buffer.alloc(32));
  try {
    const cipher = createCipheriv('id-aes256-wrap-pad', key, aesKeyWrapPadIv);
    const wrapped = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    return underKey(token, createUnwrappingKey(token, key), wrapped, true);
  } finally {
    key.fill(0);
  }
}

/**
 * Opens material that the peer of a link wrapped. It never leaves the HSM.
 * @param id CKA_ID of the link's receive key, whose CKA_UNWRAP_TEMPLATE demands CKA_WRAP_WITH_TRUSTED
 */
export function openFromLink(token: Token, objects: KeyObjects, id: Buffer, wrapped: Buffer): Material {
  const trustedOnly = { type: pkcs11.CKA_WRAP_WITH_TRUSTED, value: true };
  const others = (attributes: readonly Attribute[]) =>
    attributes.filter(({ type }) => type !== trustedOnly.type);
  return {
    leftHsm: false,
    // RFC 5649, section 4.1: one block of eight bytes precedes the padded material.
    paddedLength: wrapped.length - 8,
    make: (attributes) =>
      objects.use(id, (key) =>
        unwrap(token, aesKeyWrapPad, key, wrapped, [...others(attributes), trustedOnly]),
      ),
    close: () => undefined,
  };
}

function underKey(token: Token, key: Handle, wrapped: Buffer, leftHsm: boolean): Material {
  return {
    leftHsm,
    make: (attributes) => unwrap(token, aesKeyWrapPad, key, wrapped, attributes),
    close: () => token.module.C_DestroyObject(token.session, key),
  };
}

function createUnwrappingKey({ module, session }: Token, value: Buffer): Handle {
  if (![16, 24, 32].includes(value.length)) throw invalidCiphertext();
  return module.C_CreateObject(session, [...unwrappingKey, { type: pkcs11.CKA_VALUE, value }]);
}

/** Return values of C_UnwrapKey, in SoftHSM 2.6.1, for a private key that is not of the template's type. */
const refusals: ReadonlySet<number> = new Set([
  pkcs11.CKR_ATTRIBUTE_VALUE_INVALID,
  pkcs11.CKR_KEY_SIZE_RANGE,
  pkcs11.CKR_TEMPLATE_INCONSISTENT,
  pkcs11.CKR_UNWRAPPING_KEY_SIZE_RANGE,
]);

function unwrap(
  token: Token,
  mechanism: Mechanism,
  key: Handle,
  wrapped: Buffer,
  attributes: readonly Attribute[],
): Handle {
  return classifyDecryptError(token, 'unwrapping', () => {
    try {
      return token.module.C_UnwrapKey(token.session, mechanism, key, wrapped, [...attributes]);
    } catch (error) {
      throw refusals.has(codeOf(error)) ? invalidCiphertext() : error;
    }
  });
}

/**
 * Tries whether the module supports a mechanism for unwrapping. Any other error will occur again when the mechanism is
 * used.
 */
function takesMechanism(attempt: () => Handle, { module, session }: Token): boolean {
  try {
    module.C_DestroyObject(session, attempt());
    return true;
  } catch (error) {
    const isLacking = meaningOf(error)?.code === 'unsupported';
    // SoftHSM 2.6.1 returns CKR_ARGUMENTS_BAD for OAEP with SHA-256.
    return !isLacking && codeOf(error) !== pkcs11.CKR_ARGUMENTS_BAD;
  }
}

function codeOf(error: unknown): number {
  return error instanceof Error && 'code' in error ? Number(error.code) : 0;
}
