// Resolvers find the key that a permission is about.
import { exceptions } from '../../../proto/errors.js';
import { type CiphertextBlob, decodeBlob } from '../../../proto/formats/ciphertext.js';
import type { Key, Material } from '../../keys/index.js';
import type { Services } from '../../pipeline/operation.js';

/** Resolves a key ID, key ARN, alias name or alias ARN, as cryptographic operations accept. @param field of the request */
export function keyIdOrAlias<Name extends string>(field: Name) {
  return (request: Readonly<Record<Name, string>>, { keyring }: Services): Key =>
    keyring.find(request[field]);
}

/** Resolves a key ID or key ARN, as management operations accept. @param field of the request */
export function keyIdOrArn<Name extends string>(field: Name) {
  return (request: Readonly<Record<Name, string>>, { keyring }: Services): Key =>
    keyring.findByKeyId(request[field]);
}

interface CiphertextRequest {
  readonly ciphertextBlob?: Uint8Array;
}

/**
 * Resolves the key that a request names, or else the key that made its ciphertext.
 * @param field of the request that may name the key, in any form
 * @param algorithm field of the request; only ciphertexts of SYMMETRIC_DEFAULT say which key made them
 */
export function ciphertextKey<Name extends string, Algorithm extends string>(
  field: Name,
  algorithm: Algorithm,
) {
  return (
    request: CiphertextRequest & Readonly<Partial<Record<Name | Algorithm, string>>>,
    { keyring }: Services,
  ): Key => {
    const named = request[field];
    if (named !== undefined) return keyring.find(named);
    if ((request[algorithm] ?? 'SYMMETRIC_DEFAULT') !== 'SYMMETRIC_DEFAULT')
      throw new exceptions.ValidationException(
        `${field[0]!.toUpperCase()}${field.slice(1)} must not be null`,
      );
    const key = keyring.key(requireBlob(request).keyId);
    if (!key) throw noSuchKeyOrNoAccess();
    return key;
  };
}

/** The material that made a symmetric ciphertext; undefined if the request has no ciphertext of this key. */
export function ciphertextMaterial({ ciphertextBlob }: CiphertextRequest, key: Key): Material | undefined {
  const blob = ciphertextBlob && decodeBlob(requireCiphertext({ ciphertextBlob }));
  return blob?.keyId === key.record.keyId ? key.material(blob.materialId) : undefined;
}

/** The error of Decrypt and ReEncrypt if no key is named, and the ciphertext's key does not exist or is denied. */
export function noSuchKeyOrNoAccess() {
  return new exceptions.AccessDeniedException(
    'The ciphertext refers to a customer master key that does not exist, does not exist in this region, ' +
      'or you are not allowed to access.',
  );
}

/**
 * Decodes the ciphertext blob of a request.
 * @throws ValidationException if there is none, InvalidCiphertextException if it is not a blob of Keyhold
 */
export function requireBlob({ ciphertextBlob }: CiphertextRequest): CiphertextBlob {
  const blob = decodeBlob(requireCiphertext({ ciphertextBlob }));
  if (!blob) throw new exceptions.InvalidCiphertextException('');
  return blob;
}

/** The ciphertext of a request, without a copy. @throws ValidationException if there is none */
export function requireCiphertext({ ciphertextBlob }: CiphertextRequest): Buffer {
  if (!ciphertextBlob) throw new exceptions.ValidationException('CiphertextBlob is required.');
  return Buffer.from(ciphertextBlob.buffer, ciphertextBlob.byteOffset, ciphertextBlob.length);
}
