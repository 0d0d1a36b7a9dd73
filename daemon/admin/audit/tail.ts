// `keyhold audit tail`: the newest records of the audit log that pass all filters.
import { once } from 'node:events';
import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { readableAuditLine } from '../../../proto/audit-lines.js';
import { fileName, fileNumbers } from '../../audit/chain.js';
import type { Filter } from '../../audit/query/filters.js';
import { query, type QueriedLog } from '../../audit/query/query.js';
import { parseRecord } from '../../audit/query/record.js';
import { Signal } from '../../audit/signal.js';
import { addHomeOption, exitCodes, runProgram, UsageError, wholeNumber } from '../program.js';
import { addFilterOptions, readFilters } from './filter-options.js';
import { queriedLog } from './log-directory.js';

/** Milliseconds after which the file is read without a notification, because some file systems send none. */
const lookInterval = 500;

const blockLength = 64 * 1024;

/** A position in the log: a file and an offset in bytes. */
interface Position {
  number: number;
  offset: number;
}

const program = addHomeOption(new Command('keyhold audit tail'))
  .description('Prints the newest records of the audit log that pass all filters.')
  .option('-f, --follow', 'go on with what is appended, until Ctrl-C')
  .option('-n, --lines <n>', 'how many records', wholeNumber, 10)
  .addOption(
    new Option('--output <format>', 'json: the lines as they are; readable: for people')
      .choices(['json', 'text', 'readable'])
      .default('json'),
  );
addFilterOptions(program);

interface Options extends Readonly<Record<string, unknown>> {
  readonly follow?: boolean;
  readonly lines: number;
  readonly output: string;
}

/** What is printed of the log: its lines that pass the filters, as they are or for people. */
class Selection {
  readonly #filters: readonly Filter[];
  readonly #isRaw: boolean;

  constructor(options: Options) {
    this.#filters = readFilters(options, Date.now());
    this.#isRaw = options.output === 'json';
  }

  get isAll(): boolean {
    return this.#filters.length === 0;
  }

  /** The newest lines of a log that pass, oldest first. */
  newest(log: QueriedLog, lines: number): string {
    const found: string[] = [];
    for (const { line } of query(log, this.#filters, () => undefined)) {
      found.push(line.toString());
      if (found.length > lines) found.shift();
    }
    return this.#textOf(found);
  }

  /** What to print of whole lines with line feeds. */
  of(block: Buffer): Buffer | string {
    if (this.isAll && this.#isRaw) return block;
    const lines = block.toString().split('\n').slice(0, -1);
    return this.#textOf(lines.filter((line) => this.#passes(line)));
  }

  #passes(line: string): boolean {
    const record = this.isAll ? undefined : parseRecord(Buffer.from(line));
    return this.isAll || (record !== undefined && this.#filters.every(({ passes }) => passes(record)));
  }

  #textOf(lines: readonly string[]): string {
    return lines.map((line) => `${this.#isRaw ? line : readableAuditLine(line)}\n`).join('');
  }
}

/** @returns 0, also after Ctrl-C or when the reader of the output has exited */
async function run(): Promise<number> {
  const options = program.opts<Options>();
  const selection = new Selection(options);
  const ended = new AbortController();
  const end = () => ended.abort();
  process.once('SIGINT', end).once('SIGTERM', end);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    end();
  });
  await tail(queriedLog(program), options, selection, ended.signal);
  return exitCodes.done;
}

async function tail(
  log: QueriedLog,
  { lines, follow }: Options,
  selection: Selection,
  ended: AbortSignal,
): Promise<void> {
  const { directory } = log;
  const changed = new Signal();
  ended.addEventListener('abort', () => changed.raise());
  const watcher = watchDirectory(directory, changed);
  try {
    // With filters the newest that pass may be anywhere in the log; then it goes on behind its last line.
    const position = await lastLines(directory, selection.isAll ? lines : 0);
    if (!selection.isAll) await print(selection.newest(log, lines), ended);
    while (!ended.aborted) {
      const later = fileNumbers(await readdir(directory)).find((number) => number > position.number);
      // Nothing is appended to a file after the next one exists, so what is read now is all of it.
      await printFrom(directory, { position, selection, ended });
      if (later !== undefined) [position.number, position.offset] = [later, 0];
      else if (follow) await changed.wait(lookInterval);
      else return;
    }
  } finally {
    watcher?.close();
  }
}

/** Finds the start of the last lines of the log; an incomplete line does not count. */
async function lastLines(directory: string, lines: number): Promise<Position> {
  const numbers = fileNumbers(await readdir(directory));
  const newest = numbers.at(-1);
  if (newest === undefined) throw new UsageError(`there is no audit log in ${directory}`);
  // One more line feed, that of the line before.
  let wanted = lines + 1;
  const block = Buffer.alloc(blockLength);
  for (const number of numbers.reverse()) {
    const handle = await openFile(directory, number);
    try {
      for (let from = (await handle.stat()).size; from > 0;) {
        const length = Math.min(blockLength, from);
        from -= length;
        const { bytesRead } = await handle.read(block, 0, length, from);
        for (let at = bytesRead; at > 0;) {
          at = block.subarray(0, at).lastIndexOf(0x0a);
          if (at >= 0 && --wanted === 0) return { number, offset: from + at + 1 };
        }
      }
    } finally {
      await handle.close();
    }
  }
  return { number: numbers.at(-1) ?? newest, offset: 0 };
}

/** Prints the complete lines from a position on, and moves it behind them. */
async function printFrom(
  directory: string,
  { position, selection, ended }: { position: Position; selection: Selection; ended: AbortSignal },
): Promise<void> {
  const handle = await openFile(directory, position.number);
  try {
    let block = Buffer.alloc(blockLength);
    while (!ended.aborted) {
      // A file that became shorter is being truncated to its durable records; the same lines are written there again.
      const { bytesRead } = await handle.read(block, 0, block.length, position.offset);
      const end = block.subarray(0, bytesRead).lastIndexOf(0x0a) + 1;
      if (end > 0) {
        await print(selection.of(Buffer.from(block.subarray(0, end))), ended);
        position.offset += end;
      } else if (bytesRead === block.length) block = Buffer.alloc(2 * block.length);
      else return;
    }
  } finally {
    await handle.close();
  }
}

async function print(lines: Buffer | string, ended: AbortSignal): Promise<void> {
  if (process.stdout.write(lines)) return;
  await once(process.stdout, 'drain', { signal: ended }).catch(() => undefined);
}

function openFile(directory: string, number: number): Promise<FileHandle> {
  return open(join(directory, fileName(number)), 'r');
}

/** Raises a signal when something changes in a directory. If it cannot be watched, the interval has to suffice. */
function watchDirectory(directory: string, signal: Signal): FSWatcher | undefined {
  try {
    const watcher = watch(directory, () => signal.raise());
    return watcher.on('error', () => watcher.close());
  } catch {
    // inotify has no watches left, or there is no such directory, which reading it will report.
    return undefined;
  }
}

await runProgram(program, run, exitCodes.usage);
