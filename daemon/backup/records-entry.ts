// The metadata store in a backup: for each stored value the length of its key (4 bytes, big-endian), its key in UTF-8, the
// length of its value (4 bytes) and its value, MAC included.
import type { Entry } from '../store/store.js';
import { ByteReader } from './byte-reader.js';
import { BackupError } from './errors.js';

const lengthBytes = 4;
/** Maximum bytes of a key or value; no record comes near it. */
const longest = 64 * 1024 * 1024;

/** Size of the encoding in bytes. */
export function sizeOfRecords(entries: readonly Entry[]): number {
  return entries.reduce(
    (sum, { key, value }) => sum + 2 * lengthBytes + Buffer.byteLength(key) + value.length,
    0,
  );
}

/** Encodes stored values, one at a time. */
export function* encodeRecords(entries: Iterable<Entry>): Generator<Buffer, void> {
  for (const { key, value } of entries) {
    const name = Buffer.from(key);
    yield Buffer.concat([lengthOf(name), name, lengthOf(value), value]);
  }
}

/** Decodes stored values, one at a time. @throws BackupError 'not-authentic' if the bytes are malformed */
export async function* decodeRecords(chunks: AsyncIterable<Buffer>): AsyncGenerator<Entry, void> {
  const reader = new ByteReader(chunks);
  for (;;) {
    const key = await nextField(reader);
    if (!key) return;
    const value = await nextField(reader);
    if (!value) throw damaged();
    yield { key: key.toString(), value };
  }
}

async function nextField(reader: ByteReader): Promise<Buffer | undefined> {
  const length = (await reader.exactly(lengthBytes))?.readUInt32BE();
  if (length === undefined) return undefined;
  if (length > longest) throw damaged();
  const field = await reader.exactly(length);
  if (!field) throw damaged();
  return field;
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(bytes.length);
  return length;
}

function damaged(): BackupError {
  return new BackupError('not-authentic', 'The records of the metadata store in the backup are damaged.');
}
