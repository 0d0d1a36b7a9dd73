// The two encodings of an encryption context. Both are needed because stored data depends on them: the canonical one is
// authenticated by each ciphertext blob (README.md), and the other is in the header of each sealed file
// (docs/sealed-file-format.md), which is decoded again and therefore begins with the number of pairs.
import { exceptions } from '../errors.js';
import type { StringMap } from '../generated/messages.js';
import { invalidSealedFile, SealError } from './seal-error.js';

/** Maximum bytes of all keys and values together, in UTF-8. */
const maxContextBytes = 8_192;

/** Maximum bytes of an encryption context in a sealed file, including all lengths. */
export const maxSealedContextBytes = 8_192;

const empty = Buffer.alloc(0);

/**
 * Returns the canonical encoding of an encryption context: its pairs in the order of the keys' UTF-8 bytes, with each key
 * and value preceded by its length in bytes as a 32-bit big-endian number.
 * @returns an empty buffer if there are no pairs
 * @throws ValidationException over 8,192 bytes of keys and values, or if a string is not well-formed Unicode
 */
export function canonicalContext(context: StringMap | undefined): Buffer {
  if (context === undefined) return empty;
  const parts = sortedParts(context, (message) => new exceptions.ValidationException(message));
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length > maxContextBytes) {
    throw new exceptions.ValidationException(
      `The encryption context has ${length} bytes of keys and values; at most ${maxContextBytes} are allowed.`,
    );
  }
  const encoded = Buffer.allocUnsafe(length + parts.length * 4);
  let offset = 0;
  for (const part of parts) {
    offset = encoded.writeUInt32BE(part.length, offset);
    offset += part.copy(encoded, offset);
  }
  return encoded;
}

/**
 * Returns the encoding of an encryption context in a sealed file: the number of pairs in 16 bits, followed by the pairs as
 * in the canonical encoding, but with 16-bit lengths.
 * @throws SealError UnusableInput over 8,192 bytes, or if a string is not well-formed Unicode
 */
export function encodeSealedContext(context: StringMap): Buffer {
  const parts = sortedParts(context, (message) => new SealError('UnusableInput', message));
  const length = parts.reduce((sum, part) => sum + 2 + part.length, 2);
  if (length > maxSealedContextBytes)
    throw new SealError(
      'UnusableInput',
      `The encryption context takes ${length} bytes; at most ${maxSealedContextBytes} are allowed.`,
    );
  const encoded = Buffer.allocUnsafe(length);
  let offset = encoded.writeUInt16BE(parts.length / 2);
  for (const part of parts) {
    offset = encoded.writeUInt16BE(part.length, offset);
    offset += part.copy(encoded, offset);
  }
  return encoded;
}

/**
 * Decodes the context of a sealed file. Strict: only the output of {@link encodeSealedContext} is accepted.
 * @param offset the offset of the context in `bytes`
 * @returns the context, without a prototype, and the offset of its end
 * @throws SealError InvalidSealedFile
 */
export function decodeSealedContext(bytes: Buffer, offset: number): { context: StringMap; end: number } {
  let end = offset;
  const take = (length: number) => {
    if (end + length > bytes.length || end + length - offset > maxSealedContextBytes)
      throw invalidSealedFile();
    end += length;
    return bytes.subarray(end - length, end);
  };
  const part = () => take(take(2).readUInt16BE());
  const context = Object.create(null) as StringMap;
  let previous: Buffer | undefined;
  for (let pairs = take(2).readUInt16BE(); pairs > 0; pairs--) {
    const key = part();
    if (previous && previous.compare(key) >= 0) throw invalidSealedFile();
    previous = key;
    context[text(key)] = text(part());
  }
  return { context, end };
}

/**
 * Returns alternating keys and values in UTF-8, in the order of the keys' bytes. The order of UTF-16 units is different
 * beyond the basic plane, and a locale's order differs between machines.
 * @param unusable makes the error for a string that is not well-formed Unicode: encoders would replace a lone surrogate, and
 *   two contexts would have the same encoding
 */
function sortedParts(context: StringMap, unusable: (message: string) => Error): Buffer[] {
  const utf8 = (part: unknown) => {
    if (typeof part !== 'string' || !part.isWellFormed())
      throw unusable('The encryption context must hold strings of well-formed Unicode.');
    return Buffer.from(part);
  };
  const pairs: (readonly [key: Buffer, value: Buffer])[] = [];
  for (const key of Object.keys(context)) pairs.push([utf8(key), utf8(context[key])]);
  if (pairs.length > 1) pairs.sort(([a], [b]) => a.compare(b));
  return pairs.flat();
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function text(bytes: Buffer): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw invalidSealedFile();
  }
}
