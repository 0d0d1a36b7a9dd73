// Encrypt, Decrypt, ReEncrypt.
import { exceptions } from '../../proto/errors.js';
import type { EncryptionAlgorithmSpec, StringMap } from '../../proto/generated/messages.js';
import { type CiphertextBlob, encodeBlob } from '../keys/ciphertext.js';
import { canonicalContext } from '../keys/context.js';
import type { Key, Material } from '../keys/keyring.js';
import { keySpecs } from '../keys/specs.js';
import { type AnyOperation, operation } from './operation.js';
import { anyForm, ciphertextKey, noSuchKeyOrNoAccess, requireBlob } from './resolvers.js';

const encrypt = operation({
  name: 'Encrypt',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:Encrypt', key: anyForm('keyId') }],
  states: 'cryptographic',
  usage: 'ENCRYPT_DECRYPT',
  audited: ['keyId', 'encryptionContext', 'encryptionAlgorithm'],
  async handle(request, [key], { store }) {
    const encryptionAlgorithm = checkAlgorithm(key!, request.encryptionAlgorithm);
    const aad = authenticated(key!.current.header, request.encryptionContext);
    refuseDryRun(request);
    const { cipherKey, header, materialId } = key!.current;
    const { iv, ciphertext } = await store.encrypt(cipherKey, aad, asBuffer(request.plaintext));
    const ciphertextBlob = encodeBlob(header, iv, ciphertext);
    return { response: { ciphertextBlob, keyId: key!.arn, encryptionAlgorithm }, keyMaterialId: materialId };
  },
});

const decrypt = operation({
  name: 'Decrypt',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:Decrypt',
      key: ciphertextKey('keyId'),
      denied: ({ keyId }) => (keyId === undefined ? noSuchKeyOrNoAccess() : undefined),
    },
  ],
  states: 'cryptographic',
  usage: 'ENCRYPT_DECRYPT',
  audited: ['keyId', 'encryptionContext', 'encryptionAlgorithm'],
  async handle(request, [key], { store }) {
    refuseRecipient(request);
    const encryptionAlgorithm = checkAlgorithm(key!, request.encryptionAlgorithm);
    const { material, blob } = materialOf(key!, requireBlob(request));
    const aad = authenticated(blob.header, request.encryptionContext);
    refuseDryRun(request);
    const plaintext = await store.decrypt(material.cipherKey, aad, blob);
    const keyMaterialId = material.materialId;
    const response = { keyId: key!.arn, plaintext, encryptionAlgorithm, keyMaterialId };
    return { response, keyMaterialId, secrets: [plaintext] };
  },
});

const reEncrypt = operation({
  name: 'ReEncrypt',
  service: 'kms',
  readOnly: true,
  permissions: [
    {
      action: 'kms:ReEncryptFrom',
      key: ciphertextKey('sourceKeyId'),
      denied: ({ sourceKeyId }) => (sourceKeyId === undefined ? noSuchKeyOrNoAccess() : undefined),
    },
    { action: 'kms:ReEncryptTo', key: anyForm('destinationKeyId') },
  ],
  states: 'cryptographic',
  usage: 'ENCRYPT_DECRYPT',
  audited: [
    'sourceKeyId',
    'sourceEncryptionContext',
    'sourceEncryptionAlgorithm',
    'destinationKeyId',
    'destinationEncryptionContext',
    'destinationEncryptionAlgorithm',
  ],
  async handle(request, [source, destination], { store }) {
    const sourceEncryptionAlgorithm = checkAlgorithm(source!, request.sourceEncryptionAlgorithm);
    const destinationEncryptionAlgorithm = checkAlgorithm(
      destination!,
      request.destinationEncryptionAlgorithm,
    );
    const { material, blob } = materialOf(source!, requireBlob(request));
    const { cipherKey, header, materialId } = destination!.current;
    const sourceAad = authenticated(blob.header, request.sourceEncryptionContext);
    const destinationAad = authenticated(header, request.destinationEncryptionContext);
    refuseDryRun(request);
    const { iv, ciphertext } = await store.reEncrypt(
      material.cipherKey,
      sourceAad,
      blob,
      cipherKey,
      destinationAad,
    );
    const response = {
      ciphertextBlob: encodeBlob(header, iv, ciphertext),
      sourceKeyId: source!.arn,
      keyId: destination!.arn,
      sourceEncryptionAlgorithm,
      destinationEncryptionAlgorithm,
      sourceKeyMaterialId: material.materialId,
      destinationKeyMaterialId: materialId,
    };
    return { response, keyMaterialId: materialId };
  },
});

export const cryptographicOperations: readonly AnyOperation[] = [encrypt, decrypt, reEncrypt];

/** What a ciphertext is bound to: the blob's header, and the canonical encryption context. */
export function authenticated(header: Buffer, context: StringMap | undefined): Buffer {
  const canonical = canonicalContext(context);
  return canonical.length === 0 ? header : Buffer.concat([header, canonical]);
}

/** @throws DryRunOperationException where the request is a dry run, which has come as far as it goes */
export function refuseDryRun(request: { readonly dryRun?: boolean }): void {
  if (!request.dryRun) return;
  throw new exceptions.DryRunOperationException(
    'The request would have succeeded, but the DryRun option is set.',
  );
}

/** @throws UnsupportedOperationException where the request carries an attestation document */
export function refuseRecipient(request: { readonly recipient?: object }): void {
  if (request.recipient === undefined) return;
  throw new exceptions.UnsupportedOperationException(
    'Recipient is for attestation documents of AWS Nitro enclaves, which Keyhold does not verify.',
  );
}

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** @throws IncorrectKeyException where the blob was made by another key, InvalidCiphertextException for lost material */
function materialOf(key: Key, blob: CiphertextBlob): { material: Material; blob: CiphertextBlob } {
  if (blob.keyId !== key.record.keyId) {
    const text = 'The key ID in the request does not identify the KMS key that encrypted this ciphertext.';
    throw new exceptions.IncorrectKeyException(text);
  }
  const material = key.material(blob.materialId);
  if (material?.cipherKey.suite !== blob.suite) throw new exceptions.InvalidCiphertextException('');
  return { material, blob };
}

/** @throws InvalidKeyUsageException where the key does not have the algorithm */
function checkAlgorithm(
  key: Key,
  algorithm: EncryptionAlgorithmSpec = 'SYMMETRIC_DEFAULT',
): EncryptionAlgorithmSpec {
  if (keySpecs[key.record.keySpec]?.encryptionAlgorithms.includes(algorithm)) return algorithm;
  throw new exceptions.InvalidKeyUsageException(
    `${key.arn} does not have the encryption algorithm ${algorithm}.`,
  );
}
