// Encodes and decodes ciphertexts. The blob of a symmetric key names its key and material, and is bound to an encryption
// context. The ciphertext of an RSA key is bare.
import { exceptions, ServiceError } from '../../../proto/errors.js';
import type {
  DryRunModifierType,
  EncryptionAlgorithmSpec,
  StringMap,
} from '../../../proto/generated/messages.js';
import type { CipherKey, Ciphertext } from '../../hsm/key-store.js';
import {
  algorithmOf,
  type EncryptionAlgorithm,
  type Key,
  type Material,
  type MaterialLocation,
  type SymmetricMaterial,
  UnknownMaterial,
} from '../../keys/index.js';
import { encodeBlob } from '../../../proto/formats/ciphertext.js';
import { canonicalContext } from '../../../proto/formats/encryption-context.js';
import { requireBlob, requireCiphertext } from './key-resolvers.js';

/** The key, algorithm and additional data for one message. */
interface Side {
  readonly cipherKey: CipherKey;
  /** Additional authenticated data. */
  readonly aad: Buffer;
  readonly algorithm: EncryptionAlgorithmSpec;
  /** Of symmetric keys: the material ID that responses show. */
  readonly materialId: string | undefined;
}

/** Key and parameters that encrypt one message. */
export interface EncryptingSide extends Side {
  /** Bytes. */
  readonly maxPlaintext: number;
  /** Encodes the HSM's ciphertext for clients. */
  encode(message: Ciphertext): Buffer;
}

/** Key and parameters that decrypt one message. */
export interface DecryptingSide extends Side {
  readonly message: Ciphertext;
  /** The key store of the material. After a migration it may differ from that of the key. */
  readonly holder: MaterialLocation;
}

const noBytes = Buffer.alloc(0);

/** Prepares an encryption with a key's current material. @throws InvalidKeyUsageException, ValidationException */
export function encryptingSide(
  key: Key,
  algorithm: EncryptionAlgorithmSpec = 'SYMMETRIC_DEFAULT',
  context: StringMap | undefined,
): EncryptingSide {
  const entry = algorithmOf(key, 'encryption', algorithm);
  const { maxPlaintext } = entry;
  const { materialId, symmetric } = key.current;
  if (symmetric) {
    const { cipherKey, header } = symmetric;
    const aad = authenticated(header, context);
    const encode = ({ iv, ciphertext }: Ciphertext) => encodeBlob(header, iv, ciphertext);
    return { cipherKey, aad, algorithm, materialId, maxPlaintext, encode };
  }
  return {
    ...asymmetricSide(key, algorithm, entry, context),
    maxPlaintext,
    encode: (made) => made.ciphertext,
  };
}

/**
 * Prepares a decryption with the material that made the ciphertext.
 * @throws InvalidKeyUsageException, ValidationException, IncorrectKeyException, InvalidCiphertextException,
 *   KMSInvalidStateException if the token does not hold the material
 */
export function decryptingSide(
  key: Key,
  algorithm: EncryptionAlgorithmSpec = 'SYMMETRIC_DEFAULT',
  context: StringMap | undefined,
  request: { readonly ciphertextBlob?: Uint8Array },
): DecryptingSide {
  const entry = algorithmOf(key, 'encryption', algorithm);
  if (!key.current.symmetric) {
    const message = { iv: noBytes, ciphertext: requireCiphertext(request) };
    // RFC 8017, section 7.1.2, step 1b.
    if (message.ciphertext.length !== entry.ciphertextLength)
      throw new exceptions.InvalidCiphertextException('');
    return { ...asymmetricSide(key, algorithm, entry, context), message, holder: key };
  }
  const blob = requireBlob(request);
  if (blob.keyId !== key.record.keyId) throw incorrectKey();
  const material = key.material(blob.materialId);
  const symmetric = material?.symmetric;
  if (symmetric?.cipherKey.suite !== blob.suite) {
    // The caller gets the error of every failed decryption; the log and the health report say more.
    const cause = material ? undefined : new UnknownMaterial(blob.keyId, blob.materialId);
    throw new ServiceError('InvalidCiphertextException', '', { cause });
  }
  if (material?.missing) throw missingMaterial(key, material);
  const { cipherKey } = symmetric;
  const aad = authenticated(blob.header, context);
  const holder = { record: { customKeyStoreId: material?.customKeyStoreId } };
  return { cipherKey, aad, algorithm, materialId: blob.materialId, message: blob, holder };
}

/** The error for an older material that its token does not hold. Only what it encrypted is lost. */
function missingMaterial(key: Key, { materialId }: Material) {
  return new exceptions.KMSInvalidStateException(
    `${key.arn} is unavailable. The HSM does not hold, or is not connected with, the key material ${materialId} that made ` +
      'this ciphertext.',
  );
}

/**
 * The current material of a key that makes data keys.
 * @param made what is to be generated, for the message
 * @throws InvalidKeyUsageException if the key is not symmetric
 */
export function symmetricMaterial(
  key: Key,
  made: 'data key' | 'data key pair',
): Material & SymmetricMaterial {
  const { current } = key;
  if (current.symmetric) return { ...current, ...current.symmetric };
  throw new exceptions.InvalidKeyUsageException(`You cannot generate a ${made} with an asymmetric CMK`);
}

interface DecryptingRequest {
  readonly ciphertextBlob?: Uint8Array;
  readonly dryRun?: boolean;
  readonly dryRunModifiers?: readonly DryRunModifierType[];
}

/** Whether a dry run checks only permissions. */
export function ignoresCiphertext({ dryRun, dryRunModifiers }: DecryptingRequest): boolean {
  return dryRun === true && dryRunModifiers?.includes('IGNORE_CIPHERTEXT') === true;
}

/**
 * Checks the key that a request names for decryption. For a symmetric ciphertext, a key of another kind counts as a wrong
 * key, as in AWS KMS.
 * @param algorithm of the request; undefined: SYMMETRIC_DEFAULT
 * @throws IncorrectKeyException; InvalidCiphertextException if the ciphertext is not that of a symmetric key
 */
export function checkDecryptingKey(
  { record }: Key,
  algorithm: EncryptionAlgorithmSpec | undefined,
  request: DecryptingRequest,
): void {
  if (ignoresCiphertext(request)) return;
  if (record.keySpec === 'SYMMETRIC_DEFAULT' || (algorithm ?? 'SYMMETRIC_DEFAULT') !== 'SYMMETRIC_DEFAULT')
    return;
  requireBlob(request);
  throw incorrectKey();
}

function incorrectKey() {
  return new exceptions.IncorrectKeyException(
    'The key ID in the request does not identify a CMK that can perform this operation.',
  );
}

/** The additional authenticated data of a blob: its header, then the canonical encryption context. */
export function authenticated(header: Buffer, context: StringMap | undefined): Buffer {
  const canonical = canonicalContext(context);
  return canonical.length === 0 ? header : Buffer.concat([header, canonical]);
}

function asymmetricSide(
  key: Key,
  algorithm: EncryptionAlgorithmSpec,
  { cipher }: EncryptionAlgorithm,
  context: StringMap | undefined,
): Side {
  if (context !== undefined && Object.keys(context).length > 0) {
    throw new exceptions.ValidationException(
      'EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs.',
    );
  }
  const cipherKey = { suite: cipher, id: key.current.objectId };
  return { cipherKey, aad: noBytes, algorithm, materialId: undefined };
}
