// Makes the indexes of the log's closed files, a small piece at a time, so that neither the event loop nor requests wait.
import { createReadStream } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder, replaceFile } from '../../files/replace-file.js';
import { fileName, fileNumbers } from '../chain.js';
import { memberOf, timePattern } from '../members.js';
import { type Block, encodeIndex, FileIndex, indexPath, type SignedIndexes } from './file-index.js';
import { addTerm, bloomLength, termsOf } from './terms.js';

/** Bytes of a block, which are looked at between two turns of the event loop: about a millisecond. */
const blockBytes = 64 * 1024;
/** Milliseconds between two blocks: 0.5 % of the event loop's time while requests are executed. */
const [pauseWhenBusy, pauseWhenIdle] = [250, 1];
/** Milliseconds between two looks for files without an index. */
const lookInterval = 10_000;

/** Where the log and its indexes are, and what else goes on. */
export interface IndexerEnvironment {
  /** Folder of the log. */
  readonly directory: string;
  /** Its folder is made. */
  readonly indexes: SignedIndexes;
  /** Signs a message. @returns ECDSA P-256 over its SHA-256, DER */
  readonly sign: (message: Buffer) => Promise<Buffer>;
  /** Whether requests are executed. */
  readonly isBusy: () => boolean;
  /** Called when an index could not be made; it is tried again. */
  readonly failed: (error: unknown) => void;
}

/** Indexes the closed files of a log. */
export class Indexer {
  readonly #aborted = new AbortController();
  readonly #ended: Promise<void>;

  constructor(private readonly environment: IndexerEnvironment) {
    this.#ended = this.#run();
  }

  /** Ends; an index that is not finished is begun again at the next start. */
  async close(): Promise<void> {
    this.#aborted.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#aborted;
    const { isBusy, failed } = this.environment;
    const pause = () => sleep(isBusy() ? pauseWhenBusy : pauseWhenIdle, undefined, { signal, ref: false });
    while (!signal.aborted) {
      try {
        await indexFiles(this.environment, pause);
      } catch (error) {
        if (!signal.aborted) failed(error);
      }
      await sleep(lookInterval, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}

/**
 * Makes the indexes that are missing or of no use, the newest first, and removes those of files that are gone.
 * @param pause called after each block; what it throws ends the work
 */
export async function indexFiles(
  { directory, indexes, sign }: Pick<IndexerEnvironment, 'directory' | 'indexes' | 'sign'>,
  pause: () => Promise<unknown>,
): Promise<void> {
  const { folder } = indexes;
  await makeFolder(folder);
  // The newest file is still written.
  const numbers = fileNumbers(await readdir(directory)).slice(0, -1);
  const known = new Set(numbers.map((number) => indexPath(folder, number)));
  for (const path of (await readdir(folder)).map((name) => join(folder, name)))
    if (!known.has(path)) await rm(path, { force: true });
  for (const number of numbers.reverse()) {
    const path = join(directory, fileName(number));
    const file = await stat(path);
    if (await FileIndex.load(indexes, number, file)) continue;
    const blocks: Block[] = [];
    for await (const block of blocksOf(path)) {
      blocks.push(block);
      await pause();
    }
    const { size, mtimeMs } = file;
    await replaceFile(indexPath(folder, number), await encodeIndex({ number, size, mtimeMs }, blocks, sign));
  }
}

/** Reads a file in blocks of whole lines. A last line without a line feed belongs to the last block. */
async function* blocksOf(path: string): AsyncGenerator<Block> {
  let [offset, lines] = [0, 0];
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of createReadStream(path, { highWaterMark: blockBytes }) as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const end = bytes.lastIndexOf(0x0a) + 1;
    rest = bytes.subarray(end);
    if (end === 0) continue;
    const block = blockOf(bytes.subarray(0, end), offset, lines);
    yield block.block;
    offset += end;
    lines += block.count;
  }
  if (rest.length > 0) yield blockOf(rest, offset, lines).block;
}

function blockOf(bytes: Buffer, offset: number, lines: number): { block: Block; count: number } {
  const bloom = new Uint8Array(bloomLength);
  for (const term of termsOf(bytes.toString('latin1'))) addTerm(bloom, term);
  let [count, oldest, newest, start] = [0, Infinity, -Infinity, 0];
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, start)) {
    const time = memberOf(bytes.subarray(start, at), 'eventTime', timePattern);
    const seconds = time === undefined ? undefined : Date.parse(time) / 1000;
    // A line without a time never passes a filter of times.
    if (seconds !== undefined) [oldest, newest] = [Math.min(oldest, seconds), Math.max(newest, seconds)];
    count += 1;
    start = at + 1;
  }
  return { block: { offset, lines, oldest, newest, bloom }, count };
}
