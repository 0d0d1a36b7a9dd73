// Checks LevelDB's write-ahead log before LevelDB reads it. LevelDB silently skips a record with a wrong checksum and all
// that follow in the same block of 32 KiB, so acknowledged changes would be lost.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** https://github.com/google/leveldb/blob/main/doc/log_format.md: blocks of records, each with a header. */
const blockLength = 32 * 1024;
/** Masked CRC-32C of type and data, u16 length of the data, u8 type; little-endian. */
const headerLength = 7;
/** FULL and FIRST begin a batch, MIDDLE and LAST continue it. */
const recordTypes = { full: 1, first: 2, last: 4 };

/** CRC-32C (RFC 3720, appendix B.4), by byte. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

function maskedCrc(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** The end of the record that begins here; undefined if it is not whole. */
function endOfRecord(log: Buffer, at: number): number | undefined {
  const blockEnd = Math.min(at - (at % blockLength) + blockLength, log.length);
  if (at + headerLength > blockEnd) return undefined;
  const end = at + headerLength + log.readUInt16LE(at + 4);
  const type = log[at + 6]!;
  if (end > blockEnd || type < recordTypes.full || type > recordTypes.last) return undefined;
  return maskedCrc(log.subarray(at + 6, end)) === log.readUInt32LE(at) ? end : undefined;
}

/**
 * Looks for damage in the logs of a closed store. A torn record at the end is not damage: a crash leaves one, and it was
 * never acknowledged. Damage to the very last record looks the same.
 * @param folder of the store; it may be missing
 * @returns a sentence for each damaged file
 */
export function findLogDamage(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => /^\d+\.log$/.test(name));
  return names.flatMap((name) => {
    const at = findDamage(readFileSync(join(folder, name)));
    return at === undefined ? [] : [`${name} is damaged at byte ${at}`];
  });
}

function findDamage(log: Buffer): number | undefined {
  let at = 0;
  while (at < log.length) {
    const inBlock = blockLength - (at % blockLength);
    const end = inBlock < headerLength ? at + inBlock : endOfRecord(log, at);
    if (end === undefined) break;
    at = end;
  }
  // A complete batch after an incomplete record: this is damage, not a torn end.
  for (let later = at + 1; later + headerLength <= log.length; later++)
    if (log[later + 6]! <= recordTypes.first && endOfRecord(log, later) !== undefined) return at;
  return undefined;
}
