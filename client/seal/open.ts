import { timingSafeEqual } from 'node:crypto';
import type { StringMap } from '../../proto/generated/messages.js';
import { ServiceError } from '../../proto/errors.js';
import type { DataKeySource } from '../data-keys/data-key-source.js';
import { BlockReader, inOrder } from './blocks.js';
import { invalidSealedFile, SealError } from '../../proto/formats/seal-error.js';
import { openFrame, tagLength } from './frames.js';
import {
  commitmentLength,
  decodeHeader,
  type Header,
  prefixLength,
  readHeaderLength,
} from '../../proto/formats/sealed-file.js';
import { dataKeyLength, deriveFileKeys, type FrameKey } from './keys.js';

/** Options of `open`. */
export interface OpenOptions {
  /** Where the data key is decrypted: `client.dataKeys`. */
  readonly dataKeys: DataKeySource;
  /** The KMS key that must have sealed it. If not given, any key that the caller may decrypt with: then whoever may encrypt under one of them can have sealed it. */
  readonly keyId?: string;
  /** Pairs that the file's encryption context must hold; it may hold more. */
  readonly encryptionContext?: StringMap;
  readonly signal?: AbortSignal;
}

/**
 * Opens a sealed stream in constant memory. Each chunk is authentic and in its place when it is handed out; that
 * none is missing at the end is certain only once the generator has ended without an error.
 * @returns the plaintext
 * @throws SealError NotASealedFile, UnsupportedFormat, EncryptionContextMismatch, or InvalidSealedFile; what the data
 *   key source and `source` throw; the signal's reason
 */
export async function* open(
  source: AsyncIterable<Uint8Array>,
  options: OpenOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const { signal } = options;
  signal?.throwIfAborted();
  const reader = new BlockReader(source);
  try {
    const prefix = await reader.read(prefixLength);
    const headerLength = readHeaderLength(prefix);
    const bytes = Buffer.concat([prefix, await reader.read(headerLength - prefix.length)]);
    const header = decodeHeader(bytes);
    const frameKey = await recoverFrameKey(header, bytes, await reader.read(commitmentLength), options);
    yield* inOrder(reader.blocks(header.frameSize + tagLength), ({ number, last, bytes: frame }) => {
      signal?.throwIfAborted();
      return openFrame(frameKey, number, last, frame);
    });
  } finally {
    await reader.close();
  }
}

async function recoverFrameKey(
  header: Header,
  bytes: Buffer,
  commitment: Buffer,
  options: OpenOptions,
): Promise<FrameKey> {
  if (commitment.length !== commitmentLength) throw invalidSealedFile();
  const { encryptionContext, encryptedDataKey, salt } = header;
  for (const [key, value] of Object.entries(options.encryptionContext ?? {})) {
    if (encryptionContext[key] !== value)
      throw new SealError(
        'EncryptionContextMismatch',
        `The file was not sealed with the encryption context that is asked for: '${key}' differs.`,
      );
  }
  const dataKey = await decryptDataKey(encryptedDataKey, encryptionContext, options);
  try {
    if (dataKey.length !== dataKeyLength) throw invalidSealedFile();
    const keys = await deriveFileKeys(dataKey, salt, bytes);
    if (!timingSafeEqual(keys.commitment, commitment)) throw invalidSealedFile();
    return keys.frameKey;
  } finally {
    dataKey.fill(0);
  }
}

async function decryptDataKey(
  ciphertextBlob: Uint8Array,
  encryptionContext: StringMap,
  { dataKeys, keyId, signal }: OpenOptions,
): Promise<Uint8Array> {
  try {
    const { plaintext } = await dataKeys.decrypt({ ciphertextBlob, encryptionContext, keyId }, { signal });
    return plaintext;
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'InvalidCiphertextException')
      throw invalidSealedFile();
    throw error;
  }
}
