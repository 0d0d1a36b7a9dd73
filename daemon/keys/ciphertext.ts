// Ciphertext blobs (proto/FORMATS.md): version, suite, key id, material id, IV, ciphertext with tag.

import { isAscii } from 'node:buffer';

const version = 1;
const suites: ReadonlySet<number> = new Set([1]);
const materialIdLength = 32;
const ivLength = 12;
const tagLength = 16;

/** The fields of a blob. */
export interface CiphertextBlob {
  readonly suite: number;
  readonly keyId: string;
  /** 64 lower-case hex characters. */
  readonly materialId: string;
  /** Everything before the IV; authenticated together with the encryption context. */
  readonly header: Buffer;
  /** 12 bytes. */
  readonly iv: Buffer;
  /** Ciphertext and 16-byte tag. */
  readonly ciphertext: Buffer;
}

/** The header of the blobs that a material makes: constant, so made once. @param materialId 64 hex characters */
export function blobHeader(suite: number, keyId: string, materialId: string): Buffer {
  return Buffer.concat([
    Buffer.from([version, suite, keyId.length]),
    Buffer.from(keyId, 'latin1'),
    Buffer.from(materialId, 'hex'),
  ]);
}

/** Puts a blob together. */
export function encodeBlob(header: Buffer, iv: Buffer, ciphertext: Buffer): Buffer {
  return Buffer.concat([header, iv, ciphertext], header.length + iv.length + ciphertext.length);
}

/**
 * Takes a blob apart; encoding the result gives the same bytes.
 * @returns views of the blob; undefined where it is not one
 */
export function decodeBlob(blob: Buffer): CiphertextBlob | undefined {
  const suite = blob[1];
  const idLength = blob[2];
  if (blob[0] !== version || suite === undefined || !suites.has(suite) || !idLength) return undefined;
  const headerLength = 3 + idLength + materialIdLength;
  if (blob.length < headerLength + ivLength + tagLength) return undefined;
  const keyId = blob.subarray(3, 3 + idLength);
  if (!isAscii(keyId)) return undefined;
  return {
    suite,
    keyId: keyId.toString('latin1'),
    materialId: blob.toString('hex', 3 + idLength, headerLength),
    header: blob.subarray(0, headerLength),
    iv: blob.subarray(headerLength, headerLength + ivLength),
    ciphertext: blob.subarray(headerLength + ivLength),
  };
}
