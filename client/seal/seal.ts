import { randomBytes } from 'node:crypto';
import type { StringMap } from '../../proto/generated/messages.js';
import type { DataKeySource } from '../data-keys/data-key-source.js';
import { BlockReader, inOrder } from './blocks.js';
import { SealError } from '../../proto/formats/seal-error.js';
import { sealFrame } from './frames.js';
import { encodeHeader, saltLength } from '../../proto/formats/sealed-file.js';
import { dataKeyLength, deriveFileKeys, type FrameKey } from './keys.js';

/** Options of `seal`. */
export interface SealOptions {
  /** Where the data key comes from: `client.dataKeys`. */
  readonly dataKeys: DataKeySource;
  /** The KMS key, by id, ARN or alias. */
  readonly keyId: string;
  /** Pairs that the file keeps in the clear, authenticated. Opening gives them to Decrypt, whose policies may ask for them. */
  readonly encryptionContext?: StringMap;
  /** The exact number of bytes of the source. Without it the data key never comes from a cache. */
  readonly length?: number;
  /** Bytes of plaintext in a frame: a power of two from 1024 to 1048576; 65536 if not given. */
  readonly frameSize?: number;
  readonly signal?: AbortSignal;
}

/**
 * Seals a stream of any length in constant memory: encrypts it with AES-256-GCM under a data key
 * (docs/sealed-file-format.md).
 * @param source chunks of any size
 * @returns the bytes of the sealed file, in chunks
 * @throws SealError UnusableInput; what the data key source and `source` throw; the signal's reason
 * @example
 *   import { Readable } from 'node:stream';
 *   import { buffer } from 'node:stream/consumers';
 *   import { connect, open, seal } from '@keyhold/client';
 *
 *   const client = await connect();
 *   const { keyMetadata } = await client.createKey({});
 *   const { dataKeys } = client;
 *   const chunks = Readable.from([Buffer.from('attack '), Buffer.from('at dawn')]);
 *   const sealed = await buffer(seal(chunks, { dataKeys, keyId: keyMetadata.keyId }));
 *   const opened = await buffer(open(Readable.from([sealed]), { dataKeys }));
 *   console.log(opened.toString()); // attack at dawn
 *   await client.close();
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
    if (plaintext.length !== dataKeyLength)
      throw new SealError('UnusableInput', 'The daemon did not return a data key of 32 bytes.');
    const salt = randomBytes(saltLength);
    const header = encodeHeader({ frameSize, salt, encryptionContext, encryptedDataKey: ciphertextBlob });
    const { frameKey, commitment } = await deriveFileKeys(plaintext, salt, header);
    return { head: Buffer.concat([header, commitment]), frameSize, frameKey };
  } finally {
    plaintext.fill(0);
  }
}
