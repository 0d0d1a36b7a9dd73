// Ciphertext blobs (README.md): version, suite, key id, material id, IV, ciphertext with tag.
import { isAscii } from 'node:buffer';

const version = 1;
const materialIdLength = 32;

/** The cipher suites. Their numbers are in ciphertext blobs and in stored records. */
export const cipherSuites = {
  /** A 96-bit IV and a 128-bit tag. */
  AES_256_GCM: 1,
  /** AES-256-CBC with a 128-bit IV, then HMAC-SHA-256 with a second key, untruncated. */
  AES_256_CBC_HMAC_SHA_256: 2,
} as const;

/** The number of a cipher suite. */
export type CipherSuite = (typeof cipherSuites)[keyof typeof cipherSuites];

interface SuiteLengths {
  /** Bytes. */
  readonly iv: number;
  readonly tag: number;
  /** The ciphertext without its tag is one or more blocks of this size; 0: any length. */
  readonly block: number;
}

const lengths: Readonly<Record<CipherSuite, SuiteLengths>> = {
  [cipherSuites.AES_256_GCM]: { iv: 12, tag: 16, block: 0 },
  [cipherSuites.AES_256_CBC_HMAC_SHA_256]: { iv: 16, tag: 32, block: 16 },
};

/** The fields of a ciphertext blob. */
export interface CiphertextBlob {
  readonly suite: CipherSuite;
  readonly keyId: string;
  /** 64 lower-case hex characters. */
  readonly materialId: string;
  /** All bytes before the IV. They are authenticated together with the encryption context. */
  readonly header: Buffer;
  /** 12 bytes with AES_256_GCM, otherwise 16. */
  readonly iv: Buffer;
  /** Ends with the tag: 16 bytes with AES_256_GCM, otherwise 32. */
  readonly ciphertext: Buffer;
}

/** Returns the header of a material's blobs. @param keyId 1 to 255 ASCII characters @param materialId 64 hex characters */
export function blobHeader(suite: CipherSuite, keyId: string, materialId: string): Buffer {
  return Buffer.concat([
    Buffer.from([version, suite, keyId.length]),
    Buffer.from(keyId, 'latin1'),
    Buffer.from(materialId, 'hex'),
  ]);
}

/** Encodes a blob. */
export function encodeBlob(header: Buffer, iv: Buffer, ciphertext: Buffer): Buffer {
  return Buffer.concat([header, iv, ciphertext], header.length + iv.length + ciphertext.length);
}

/**
 * Decodes a blob; encoding the result gives the same bytes.
 * @returns views of the blob; undefined if it is malformed
 */
export function decodeBlob(blob: Buffer): CiphertextBlob | undefined {
  const suite: number | undefined = blob[1];
  const idLength = blob[2];
  if (blob[0] !== version || !isSuite(suite) || !idLength) return undefined;
  const { iv: ivLength, tag, block } = lengths[suite];
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

function isSuite(number: number | undefined): number is CipherSuite {
  return number !== undefined && Object.hasOwn(lengths, number);
}
