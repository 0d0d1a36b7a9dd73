// The part of the ustar format that backups use: regular files (IEEE Std 1003.1, pax, "ustar Interchange Format").
import { ByteReader, drain } from './byte-reader.js';

const blockLength = 512;
const [nameLength, prefixLength] = [100, 155];
const zeros = Buffer.alloc(blockLength);

/** Two blocks of zeros end an archive. */
export const tarEnd = Buffer.alloc(2 * blockLength);

/** A file in an archive. */
export interface TarEntry {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * The header before a file's bytes. Its mode is 0600, and it names no user.
 * @param seconds modification time, epoch seconds
 * @throws RangeError if the name is too long for the format
 */
export function tarHeader({ name, size }: TarEntry, seconds: number): Buffer {
  const header = Buffer.alloc(blockLength);
  const [prefix, rest] = splitName(name);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  header.write(rest, 0);
  header.write(octal(0o600, 7) + octal(0, 7) + octal(0, 7), 100);
  header.write(octal(size, 11) + octal(seconds, 11), 124);
  // The checksum counts itself as spaces.
  header.write(' '.repeat(8) + '0', 148);
  header.write('ustar\x0000', 257);
  header.write(prefix, 345);
  header.write(`${checksum(header).toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** Zeros that fill the last block of a file of this size. */
export function tarPadding(size: number): Buffer {
  return zeros.subarray(0, paddingOf(size));
}

/**
 * Reads an archive, file by file.
 * @param visit called with each file and its bytes; those that it does not read are skipped
 * @throws RangeError if the archive is malformed or incomplete
 */
export async function readTar(
  chunks: AsyncIterable<Buffer>,
  visit: (entry: TarEntry, body: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const reader = new ByteReader(chunks);
  for (;;) {
    const header = await reader.exactly(blockLength);
    if (!header) throw new RangeError('it ends too early');
    if (header.equals(zeros)) break;
    const entry = parseHeader(header);
    const body = bodyOf(reader, entry.size);
    await visit(entry, body);
    await drain(body);
    await reader.exactly(paddingOf(entry.size));
  }
  const last = await reader.exactly(blockLength);
  if (!last?.equals(zeros) || (await reader.upTo(1))) throw new RangeError('it does not end as an archive');
}

async function* bodyOf(reader: ByteReader, size: number): AsyncGenerator<Buffer, void> {
  for (let left = size; left > 0;) {
    const part = await reader.upTo(left);
    if (!part) throw new RangeError('it ends too early');
    left -= part.length;
    yield part;
  }
}

function parseHeader(header: Buffer): TarEntry {
  const text = (from: number, length: number) => {
    const field = header.subarray(from, from + length);
    const end = field.indexOf(0);
    return field.toString('utf8', 0, end < 0 ? length : end);
  };
  const sum = parseInt(text(148, 8), 8);
  const isRegular = header[156] === 0x30;
  const size = text(124, 12);
  if (text(257, 6) !== 'ustar' || sum !== checksum(header) || !isRegular || !/^[0-7]{11}$/.test(size))
    throw new RangeError('it is no archive of regular files');
  const prefix = text(345, prefixLength);
  return { name: (prefix && `${prefix}/`) + text(0, nameLength), size: parseInt(size, 8) };
}

function checksum(header: Buffer): number {
  let sum = 0;
  for (const [at, byte] of header.entries()) sum += at >= 148 && at < 156 ? 0x20 : byte;
  return sum;
}

function paddingOf(size: number): number {
  return (blockLength - (size % blockLength)) % blockLength;
}

/** Splits a name at a slash into the fields prefix and name. */
function splitName(name: string): [prefix: string, rest: string] {
  if (Buffer.byteLength(name) <= nameLength) return ['', name];
  for (let at = name.indexOf('/'); at >= 0; at = name.indexOf('/', at + 1)) {
    const [prefix, rest] = [name.slice(0, at), name.slice(at + 1)];
    if (Buffer.byteLength(rest) > nameLength || rest === '') continue;
    if (Buffer.byteLength(prefix) <= prefixLength) return [prefix, rest];
    break;
  }
  throw new RangeError(`the path ${name} is too long for a backup`);
}
