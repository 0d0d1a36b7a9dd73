import { createHash, webcrypto } from 'node:crypto';
import { commitmentLength } from '../../proto/formats/sealed-file.js';

/** The key of a file's frames: AES-256-GCM. */
export type FrameKey = webcrypto.CryptoKey;

/** What is derived from the data key of a file. */
export interface FileKeys {
  /** AES-256-GCM, of this file alone. */
  readonly frameKey: FrameKey;
  /**
   * 32 bytes that only this data key and this header give. GCM alone does not commit to its key: an attacker who
   * knows two keys can make one ciphertext that both open, to different plaintexts.
   */
  readonly commitment: Buffer;
}

/** Bytes of a data key. */
export const dataKeyLength = 32;
const label = Buffer.from('keyhold sealed file, version 1', 'ascii');
const keyBytes = 32;

/**
 * Derives a file's keys: HKDF-SHA-256 (RFC 5869) with the data key as input, the header's salt as salt, and the
 * format's label and the header's SHA-256 as info. The first 32 bytes are the frame key, the next the commitment.
 * @param dataKey 32 bytes; the caller wipes it
 * @param header the header's bytes up to the commitment
 */
export async function deriveFileKeys(
  dataKey: Uint8Array,
  salt: Uint8Array,
  header: Uint8Array,
): Promise<FileKeys> {
  const { subtle } = webcrypto;
  const info = Buffer.concat([label, createHash('sha256').update(header).digest()]);
  const base = await subtle.importKey('raw', dataKey, 'HKDF', false, ['deriveBits']);
  const algorithm = { name: 'HKDF', hash: 'SHA-256', salt, info };
  const bits = Buffer.from(await subtle.deriveBits(algorithm, base, (keyBytes + commitmentLength) * 8));
  try {
    const usages: webcrypto.KeyUsage[] = ['encrypt', 'decrypt'];
    const frameKey = await subtle.importKey('raw', bits.subarray(0, keyBytes), 'AES-GCM', false, usages);
    return { frameKey, commitment: Buffer.from(bits.subarray(keyBytes)) };
  } finally {
    bits.fill(0);
  }
}
