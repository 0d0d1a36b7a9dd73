import { open, type OpenOptions } from './open.js';
import { seal, type SealOptions } from './seal.js';

/**
 * Seals bytes in memory, in the format of sealed files (docs/sealed-file-format.md).
 * @param bytes of any length; they are not wiped
 * @returns the bytes of the sealed file
 * @throws what `seal` throws
 * @example
 *   import { connect, openBytes, sealBytes } from '@keyhold/client';
 *
 *   const client = await connect();
 *   const { keyMetadata } = await client.createKey();
 *   const { dataKeys } = client;
 *   const sealed = await sealBytes(Buffer.from('attack at dawn'), { dataKeys, keyId: keyMetadata.keyId });
 *   const opened = await openBytes(sealed, { dataKeys });
 *   console.log(opened.toString()); // attack at dawn
 *   await client.close();
 */
export async function sealBytes(
  bytes: Uint8Array,
  options: Omit<SealOptions, 'length'>,
): Promise<Buffer<ArrayBuffer>> {
  return concatenate(seal(source(bytes), { ...options, length: bytes.byteLength }));
}

/**
 * Opens sealed bytes. They are returned once all of them are verified.
 * @param sealed the bytes of a sealed file
 * @returns the plaintext, which the caller wipes where it is secret
 * @throws what `open` throws
 */
export async function openBytes(sealed: Uint8Array, options: OpenOptions): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of open(source(sealed), options)) chunks.push(chunk);
    return Buffer.concat(chunks);
  } finally {
    for (const chunk of chunks) chunk.fill(0);
  }
}

// eslint-disable-next-line @typescript-eslint/require-await -- seal and open read asynchronous sources.
async function* source(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function concatenate(chunks: AsyncIterable<Buffer>): Promise<Buffer<ArrayBuffer>> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}
