// The index of one closed file of the log: for each block of lines the times of its events, and a Bloom filter of its terms.
// An index only narrows what is read. It is used as long as the file has the size and the time of change that it names, and
// made again otherwise.
import { createHash } from 'node:crypto';
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

const magic = Buffer.from('keyhold audit index 1\n', 'latin1');
const checksumLength = 32;
/** Magic, size and time of change of the file, each a double. */
const headLength = magic.length + 16;
/** Offset, lines, oldest and newest, a double each; Bloom filter. */
const blockLength = 4 * 8 + bloomLength;

/** Path of the index of the log's n-th file. */
export function indexPath(folder: string, number: number): string {
  return join(folder, `${fileName(number)}.index`);
}

/** Encodes an index. @param file whose content the blocks describe */
export function encodeIndex(file: Pick<Stats, 'size' | 'mtimeMs'>, blocks: readonly Block[]): Buffer {
  const bytes = Buffer.alloc(headLength + blocks.length * blockLength);
  magic.copy(bytes);
  bytes.writeDoubleBE(file.size, magic.length);
  bytes.writeDoubleBE(file.mtimeMs, magic.length + 8);
  for (const [number, { offset, lines, oldest, newest, bloom }] of blocks.entries()) {
    const at = headLength + number * blockLength;
    bytes.writeDoubleBE(offset, at);
    for (const [n, value] of [offset, lines, oldest, newest].entries())
      bytes.writeDoubleBE(value, at + 8 * n);
    bytes.set(bloom, at + 32);
  }
  return Buffer.concat([bytes, createHash('sha256').update(bytes).digest()]);
}

/** The index of a file. */
export class FileIndex {
  private constructor(
    private readonly size: number,
    private readonly blocks: readonly Block[],
  ) {}

  /** Decodes an index. @returns undefined if it is damaged, or of another state of the file */
  static decode(bytes: Buffer, file: Pick<Stats, 'size' | 'mtimeMs'>): FileIndex | undefined {
    const end = bytes.length - checksumLength;
    const count = (end - headLength) / blockLength;
    if (!Number.isInteger(count) || count < 0 || !bytes.subarray(0, magic.length).equals(magic))
      return undefined;
    const [size, changed] = [bytes.readDoubleBE(magic.length), bytes.readDoubleBE(magic.length + 8)];
    if (size !== file.size || changed !== file.mtimeMs) return undefined;
    const checksum = createHash('sha256').update(bytes.subarray(0, end)).digest();
    if (!checksum.equals(bytes.subarray(end))) return undefined;
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
    return new FileIndex(size, blocks);
  }

  /** Reads an index. @returns undefined if there is none that can be used */
  static async load(folder: string, number: number, file: Stats): Promise<FileIndex | undefined> {
    const bytes = await readFile(indexPath(folder, number)).catch(() => undefined);
    return bytes && FileIndex.decode(bytes, file);
  }

  /** Like {@link load}, for programs. */
  static loadSync(folder: string, number: number, file: Stats): FileIndex | undefined {
    try {
      return FileIndex.decode(readFileSync(indexPath(folder, number)), file);
    } catch {
      return undefined;
    }
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
