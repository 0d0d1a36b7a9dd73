// The index of one closed file of the log: for each block of lines the times of its events, and a Bloom filter of its terms.
// An index only narrows what is read. It is signed, and used as long as the file has the size and the time of change that it
// names; otherwise it is made again.
import { createHash, type KeyObject, verify } from 'node:crypto';
import { readFileSync, type Stats } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileName } from '../chain.js';
import type { LineRange } from '../lines.js';
import type { Filter } from './filters.js';
import { bloomLength, mayHave } from './terms.js';

/** A block: whole lines of a file. */
export interface Block {
  /** Bytes before it in its file. */
  readonly offset: number;
  /** Lines before it in its file. */
  readonly lines: number;
  /** Seconds since 1970 of its oldest and newest event; Infinity and -Infinity if no line has a time. */
  readonly oldest: number;
  readonly newest: number;
  readonly bloom: Uint8Array;
}

/** Where indexes are, and the key that signs them: that of the log's checkpoints. */
export interface SignedIndexes {
  readonly folder: string;
  readonly publicKey: KeyObject;
}

/** The closed file that an index describes. */
export interface IndexedFile extends Pick<Stats, 'size' | 'mtimeMs'> {
  readonly number: number;
}

/** Begins the index and the signed message. No other message that the key signs begins with it. */
const magic = Buffer.from('keyhold audit index v1\0', 'latin1');
/** Magic; number, size and time of change of the file, a double each. */
const headLength = magic.length + 3 * 8;
/** Offset, lines, oldest and newest, a double each; Bloom filter. */
const blockLength = 4 * 8 + bloomLength;

/** Path of the index of the log's n-th file. */
export function indexPath(folder: string, number: number): string {
  return join(folder, `${fileName(number)}.index`);
}

/**
 * Encodes an index and signs it.
 * @param file whose content the blocks describe
 * @param sign returns ECDSA P-256 over the SHA-256 of a message, DER
 * @returns head, blocks, signature, and the signature's length in one byte
 */
export async function encodeIndex(
  file: IndexedFile,
  blocks: readonly Block[],
  sign: (message: Buffer) => Promise<Buffer>,
): Promise<Buffer> {
  const bytes = Buffer.alloc(headLength + blocks.length * blockLength);
  magic.copy(bytes);
  for (const [n, value] of [file.number, file.size, file.mtimeMs].entries())
    bytes.writeDoubleBE(value, magic.length + 8 * n);
  for (const [number, { offset, lines, oldest, newest, bloom }] of blocks.entries()) {
    const at = headLength + number * blockLength;
    bytes.writeDoubleBE(offset, at);
    for (const [n, value] of [offset, lines, oldest, newest].entries())
      bytes.writeDoubleBE(value, at + 8 * n);
    bytes.set(bloom, at + 32);
  }
  const signature = await sign(statementOf(bytes));
  return Buffer.concat([bytes, signature, Buffer.of(signature.length)]);
}

/** The signed message: short, because an HSM hashes it. */
function statementOf(index: Buffer): Buffer {
  return Buffer.concat([magic, createHash('sha256').update(index).digest()]);
}

/** The index of a file. */
export class FileIndex {
  private constructor(
    private readonly size: number,
    private readonly blocks: readonly Block[],
  ) {}

  /** Decodes an index. @returns undefined if it has no valid signature, or is of another file or state of the file */
  static decode(bytes: Buffer, file: IndexedFile, publicKey: KeyObject): FileIndex | undefined {
    const end = bytes.length - 1 - (bytes.at(-1) ?? 0);
    const count = (end - headLength) / blockLength;
    if (!Number.isInteger(count) || count < 0 || !bytes.subarray(0, magic.length).equals(magic))
      return undefined;
    const [number, size, changed] = [0, 8, 16].map((at) => bytes.readDoubleBE(magic.length + at));
    if (number !== file.number || size !== file.size || changed !== file.mtimeMs) return undefined;
    const signature = bytes.subarray(end, -1);
    if (!verify('sha256', statementOf(bytes.subarray(0, end)), publicKey, signature)) return undefined;
    const blocks = Array.from({ length: count }, (_, number): Block => {
      const at = headLength + number * blockLength;
      return {
        offset: bytes.readDoubleBE(at),
        lines: bytes.readDoubleBE(at + 8),
        oldest: bytes.readDoubleBE(at + 16),
        newest: bytes.readDoubleBE(at + 24),
        bloom: bytes.subarray(at + 32, at + blockLength),
      };
    });
    return new FileIndex(file.size, blocks);
  }

  /** Reads an index. @returns undefined if there is none that can be used */
  static async load(
    { folder, publicKey }: SignedIndexes,
    number: number,
    { size, mtimeMs }: Stats,
  ): Promise<FileIndex | undefined> {
    const bytes = await readFile(indexPath(folder, number)).catch(() => undefined);
    return bytes && FileIndex.decode(bytes, { number, size, mtimeMs }, publicKey);
  }

  /** Like {@link load}, for programs. */
  static loadSync(
    { folder, publicKey }: SignedIndexes,
    number: number,
    { size, mtimeMs }: Stats,
  ): FileIndex | undefined {
    let bytes: Buffer;
    try {
      bytes = readFileSync(indexPath(folder, number));
    } catch {
      return undefined;
    }
    return FileIndex.decode(bytes, { number, size, mtimeMs }, publicKey);
  }

  /** The parts of the file that may have records which pass, in order; neighbours are one. */
  ranges(filters: readonly Filter[]): LineRange[] {
    const found: LineRange[] = [];
    for (const [at, block] of this.blocks.entries()) {
      if (!filters.every((filter) => mayPass(block, filter))) continue;
      const end = this.blocks[at + 1]?.offset ?? this.size;
      const last = found.at(-1);
      if (last?.end === block.offset) found[found.length - 1] = { ...last, end };
      else found.push({ begin: block.offset, end, lines: block.lines });
    }
    return found;
  }
}

function mayPass({ oldest, newest, bloom }: Block, { term, times }: Filter): boolean {
  if (times && (newest < (times.from ?? 0) || oldest > (times.to ?? Infinity))) return false;
  return term === undefined || mayHave(bloom, term);
}
