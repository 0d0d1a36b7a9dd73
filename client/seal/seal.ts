import { randomBytes } from 'node:crypto';
import type { StringMap } from '../../proto/generated/messages.js';
import type { DataKeySource } from '../data-key-source.js';
import { BlockReader, inOrder } from './blocks.js';
import { SealError } from '../../proto/formats/seal-error.js';
import { sealFrame } from './frames.js';
import { encodeHeader, saltLength } from '../../proto/formats/sealed-file.js';
import { dataKeyLength, deriveFileKeys, type FrameKey } from './keys.js';

export interface SealOptions {
  /** Where the data key comes from: `client.dataKeys`. */
  readonly dataKeys: DataKeySource;
  /** The KMS key, by id, ARN or alias. */
  readonly keyId: string;
  /** Kept in the file in clear, authenticated, and needed by policies that ask for it. */
  readonly encryptionContext?: StringMap;
  /** Bytes that the source will give; it must give exactly these. Without it the data key is never taken from a cache. */
  readonly length?: number;
  /** Bytes of plaintext in a frame: a power of two from 1024 to 1048576; 65536 if not given. */
  readonly frameSize?: number;
  readonly signal?: AbortSignal;
}

/**
 * Seals a stream of any length in constant memory.
 * @returns the bytes of the sealed file
 * @throws SealError UnusableInput; what the data key source and `source` throw; the signal's reason
 * @example
 *   await pipeline(createReadStream('a'), (chunks) => seal(chunks, { dataKeys, keyId }), createWriteStream('a.sealed'))
 */
export async function* seal(
  source: AsyncIterable<Uint8Array>,
  options: SealOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const { length, signal } = options;
  signal?.throwIfAborted();
  const reader = new BlockReader(length === undefined ? source : exactly(length, source));
  try {
    const { head, frameSize, frameKey } = await beginFile(options);
    yield head;
    yield* inOrder(reader.blocks(frameSize), ({ number, last, bytes }) => {
      signal?.throwIfAborted();
      return sealFrame(frameKey, number, last, bytes);
    });
  } finally {
    await reader.close();
  }
}

async function* exactly(length: number, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let missing = length;
  for await (const chunk of source) {
    missing -= chunk.length;
    if (missing < 0) break;
    yield chunk;
  }
  if (missing !== 0)
    throw new SealError(
      'UnusableInput',
      `The input did not have the ${length} bytes that were announced: it changed while it was being sealed, or is no ordinary file.`,
    );
}

async function beginFile(
  options: SealOptions,
): Promise<{ head: Buffer; frameSize: number; frameKey: FrameKey }> {
  const { dataKeys, keyId, encryptionContext = {}, length, frameSize = 65536, signal } = options;
  const request = { keyId, keySpec: 'AES_256', encryptionContext } as const;
  const { plaintext, ciphertextBlob } = await dataKeys.generateDataKey(request, { signal, bytes: length });
  try {
    if (plaintext?.length !== dataKeyLength || !ciphertextBlob)
      throw new SealError('UnusableInput', 'The daemon did not return a data key of 32 bytes.');
    const salt = randomBytes(saltLength);
    const header = encodeHeader({ frameSize, salt, encryptionContext, encryptedDataKey: ciphertextBlob });
    const { frameKey, commitment } = await deriveFileKeys(plaintext, salt, header);
    return { head: Buffer.concat([header, commitment]), frameSize, frameKey };
  } finally {
    plaintext?.fill(0);
  }
}
