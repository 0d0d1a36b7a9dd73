import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { DataKeySource } from '../../../client/data-keys/data-key-source.js';
import { encodeSealedContext } from '../../../proto/formats/encryption-context.js';
import { exceptions } from '../../../proto/errors.js';

/** A source of data keys in place of the daemon: wraps them under a key in memory. @param key 32 bytes */
export function softwareKey(key = randomBytes(32)): DataKeySource {
  return {
    generateDataKey: ({ keyId, encryptionContext }) => {
      const plaintext = randomBytes(32);
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(encodeSealedContext(encryptionContext));
      const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
      const ciphertextBlob = Buffer.concat([iv, ciphertext, cipher.getAuthTag()]);
      return Promise.resolve({ plaintext, ciphertextBlob, keyId });
    },
    decrypt: ({ ciphertextBlob, encryptionContext }) => {
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, ciphertextBlob.subarray(0, 12))
          .setAAD(encodeSealedContext(encryptionContext))
          .setAuthTag(ciphertextBlob.subarray(-16));
        const plaintext = Buffer.concat([
          decipher.update(ciphertextBlob.subarray(12, -16)),
          decipher.final(),
        ]);
        return Promise.resolve({ plaintext });
      } catch {
        return Promise.reject(new exceptions.InvalidCiphertextException(''));
      }
    },
  };
}

/** Returns the same data key for every file, as a cache does. @param dataKey 32 bytes */
export function oneDataKey(dataKey = randomBytes(32)): DataKeySource {
  return {
    generateDataKey: ({ keyId }) =>
      Promise.resolve({ plaintext: Buffer.from(dataKey), ciphertextBlob: Buffer.from('blob'), keyId }),
    decrypt: () => Promise.resolve({ plaintext: Buffer.from(dataKey) }),
  };
}

/** The bytes as a stream in chunks of the given size. */
export async function* chunksOf(bytes: Uint8Array, size = 65536): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

/** The concatenated bytes of a stream. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}
