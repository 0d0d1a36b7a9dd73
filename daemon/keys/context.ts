import { exceptions } from '../../proto/errors.js';
import type { StringMap } from '../../proto/generated/messages.js';

/** Bytes of all keys and values together, as UTF-8. */
export const maxContextBytes = 8_192;

const empty = Buffer.alloc(0);

/**
 * The canonical encoding of an encryption context (proto/FORMATS.md): its pairs sorted by the key's UTF-8 bytes,
 * each key and each value preceded by its length in bytes as a 32-bit big-endian number. No pairs: no bytes.
 * @throws ValidationException past 8,192 bytes of keys and values, or where a string is not well-formed Unicode
 */
export function canonicalContext(context: StringMap | undefined): Buffer {
  if (context === undefined) return empty;
  const pairs: [key: Buffer, value: Buffer][] = [];
  let length = 0;
  for (const key of Object.keys(context)) {
    const value = context[key] ?? '';
    if (!key.isWellFormed() || !value.isWellFormed()) {
      throw new exceptions.ValidationException(
        'The encryption context holds a string that is not well-formed Unicode.',
      );
    }
    const pair: [Buffer, Buffer] = [Buffer.from(key), Buffer.from(value)];
    length += pair[0].length + pair[1].length;
    pairs.push(pair);
  }
  if (length > maxContextBytes) {
    throw new exceptions.ValidationException(
      `The encryption context has ${length} bytes of keys and values; at most ${maxContextBytes} are allowed.`,
    );
  }
  if (pairs.length > 1) pairs.sort(([a], [b]) => a.compare(b));
  const encoded = Buffer.allocUnsafe(length + pairs.length * 8);
  let offset = 0;
  for (const part of pairs.flat()) {
    offset = encoded.writeUInt32BE(part.length, offset);
    offset += part.copy(encoded, offset);
  }
  return encoded;
}
