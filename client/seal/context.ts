import type { StringMap } from '../../proto/generated/messages.js';
import { invalidSealedFile, SealError } from './errors.js';

/** Bytes of an encoded encryption context. */
export const maxContextLength = 8192;

/**
 * The one encoding of an encryption context: the number of pairs, then each key and each value, every one as a
 * 16-bit big-endian length and UTF-8 bytes; the pairs sorted by the keys' UTF-8 bytes.
 * @throws SealError UnusableInput where it holds a lone surrogate or is longer than 8192 bytes
 */
export function encodeContext(context: StringMap): Buffer {
  // Sorted as bytes and not as strings: the order of UTF-16 units differs beyond the basic plane, and a locale's
  // order differs between machines.
  const pairs = Object.entries(context)
    .map(([key, value]) => [utf8(key), utf8(value)] as const)
    .sort(([a], [b]) => Buffer.compare(a, b));
  const length = pairs.reduce((sum, [key, value]) => sum + 4 + key.length + value.length, 2);
  if (length > maxContextLength)
    throw new SealError(
      'UnusableInput',
      `The encryption context takes ${length} bytes; at most ${maxContextLength} are allowed.`,
    );
  return Buffer.concat([
    uint16(pairs.length),
    ...pairs.flat().flatMap((part) => [uint16(part.length), part]),
  ]);
}

/**
 * Reads a context from `bytes` at `offset`. Strict: only what encodeContext writes is accepted.
 * @returns the context, without a prototype, and where it ends
 * @throws SealError InvalidSealedFile
 */
export function decodeContext(bytes: Buffer, offset: number): { context: StringMap; end: number } {
  let end = offset;
  const take = (length: number) => {
    if (end + length > bytes.length || end + length - offset > maxContextLength) throw invalidSealedFile();
    end += length;
    return bytes.subarray(end - length, end);
  };
  const part = () => take(take(2).readUInt16BE());
  const context = Object.create(null) as StringMap;
  let previous: Buffer | undefined;
  for (let pairs = take(2).readUInt16BE(); pairs > 0; pairs--) {
    const key = part();
    if (previous && Buffer.compare(previous, key) >= 0) throw invalidSealedFile();
    previous = key;
    context[text(key)] = text(part());
  }
  return { context, end };
}

function utf8(part: unknown): Buffer {
  if (typeof part !== 'string' || !part.isWellFormed())
    throw new SealError('UnusableInput', 'The encryption context must hold strings of well-formed Unicode.');
  return Buffer.from(part, 'utf8');
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function text(bytes: Buffer): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw invalidSealedFile();
  }
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
