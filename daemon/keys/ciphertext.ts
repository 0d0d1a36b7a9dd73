// Ciphertext blobs (proto/FORMATS.md): version, suite, key id, material id, IV, ciphertext with tag.

import { isAscii } from 'node:buffer';
import type { CipherSuite } from '../hsm/key-store.js';

const version = 1;
const materialIdLength = 32;

interface SuiteLengths {
  /** Bytes. */
  readonly iv: number;
  readonly tag: number;
  /** The ciphertext without its tag is a multiple of so many bytes, and no shorter. */
  readonly block: number;
}

const suites: Readonly<Record<CipherSuite, SuiteLengths>> = {
  1: { iv: 12, tag: 16, block: 0 },
  2: { iv: 16, tag: 32, block: 16 },
};

/** The fields of a blob. */
export interface CiphertextBlob {
  readonly suite: CipherSuite;
  readonly keyId: string;
  /** 64 lower-case hex characters. */
  readonly materialId: string;
  /** Everything before the IV; authenticated together with the encryption context. */
  readonly header: Buffer;
  /** 12 bytes, with suite 2 16. */
  readonly iv: Buffer;
  /** Ciphertext and tag of 16 bytes, with suite 2 of 32. */
  readonly ciphertext: Buffer;
}

/** The header of the blobs that a material makes: constant, so made once. @param materialId 64 hex characters */
export function blobHeader(suite: CipherSuite, keyId: string, materialId: string): Buffer {
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
  if (blob[0] !== version || (suite !== 1 && suite !== 2) || !idLength) return undefined;
  const { iv: ivLength, tag, block } = suites[suite];
  const headerLength = 3 + idLength + materialIdLength;
  const encrypted = blob.length - headerLength - ivLength - tag;
  if (encrypted < block || (block > 0 && encrypted % block !== 0)) return undefined;
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
