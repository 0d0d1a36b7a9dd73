// Chunked AEAD and nothing else: the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár (2015), with
// the nonce laid out as in age.
import { webcrypto } from 'node:crypto';
import { invalidSealedFile, SealError } from '../../proto/formats/seal-error.js';
import type { FrameKey } from './keys.js';

/** Bytes of the tag of AES-GCM at the end of each frame. */
export const tagLength = 16;

/**
 * Frames in one file. With the largest frame that is 2^48 blocks under one key, where an attacker's advantage
 * against GCM's confidentiality stays at 2^-32, the bound that NIST SP 800-38D asks for.
 */
const maxFrames = 2 ** 32;

/**
 * The nonce of a frame: its number in 11 bytes, big-endian, and a byte that is 1 in the last frame of the file
 * alone. A fixed nonce is safe since the key serves one file, and it makes a frame's place part of its tag.
 */
function nonce(number: number, last: boolean): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(number, 7);
  bytes[11] = last ? 1 : 0;
  return bytes;
}

/**
 * Encrypts one frame.
 * @param number its place in the file, from 0 on
 * @param last whether it ends the file
 * @param plaintext at most the frame size of the file
 * @returns ciphertext and 16 bytes of tag
 * @throws SealError UnusableInput past 2^32 frames
 */
export async function sealFrame(
  key: FrameKey,
  number: number,
  last: boolean,
  plaintext: Uint8Array,
): Promise<Buffer> {
  if (number >= maxFrames)
    throw new SealError('UnusableInput', 'The input is too long for one sealed file; use larger frames.');
  const algorithm = { name: 'AES-GCM', iv: nonce(number, last) };
  return Buffer.from(await webcrypto.subtle.encrypt(algorithm, key, plaintext));
}

/**
 * Decrypts one frame.
 * @param number its place in the file, from 0 on
 * @param last whether it ends the file
 * @param frame ciphertext and 16 bytes of tag
 * @returns the plaintext, as long as the frame without its tag
 * @throws SealError InvalidSealedFile where it is not that frame of that file
 */
export async function openFrame(
  key: FrameKey,
  number: number,
  last: boolean,
  frame: Uint8Array,
): Promise<Buffer> {
  // Only an empty file ends in an empty frame: a plaintext has one sealed form for a header, not two.
  const shortest = number === 0 ? tagLength : tagLength + 1;
  if (frame.length < shortest || number >= maxFrames) throw invalidSealedFile();
  const algorithm = { name: 'AES-GCM', iv: nonce(number, last) };
  try {
    return Buffer.from(await webcrypto.subtle.decrypt(algorithm, key, frame));
  } catch {
    throw invalidSealedFile();
  }
}
