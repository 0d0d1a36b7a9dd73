// Files of tokens whose module syncs nothing itself (SoftHSM 2.6.1): the worker that writes syncs them before it answers,
// and a second copy of token.object, which each login rewrites, lies beside the tokens.
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Slot } from 'graphene-pk11';
import { HsmError } from '../key-store.js';
import { meaningOf } from './return-values.js';

const tokenFile = 'token.object';

/** Milliseconds after which a file that looks damaged is looked at again: somebody may be writing it. */
const secondLook = 300;

/** Bytes that a token has to take, to be neither full nor read-only. */
const probeSize = 4096;

const setting = /^directories\.tokendir\s*=\s*(.*?)\s*$/m;

/** The folder of all tokens, as SoftHSM2's configuration names it; undefined: it does not. */
function tokensFolder(): string | undefined {
  const { SOFTHSM2_CONF } = process.env;
  if (SOFTHSM2_CONF === undefined) return undefined;
  try {
    return setting.exec(readFileSync(SOFTHSM2_CONF, 'utf8'))?.[1]?.replace(/\/+$/, '');
  } catch {
    return undefined;
  }
}

/** Where second copies lie: beside the tokens' folder, since SoftHSM takes each folder in it for a token. */
const copiesOf = (tokens: string): string => `${tokens}.copies`;

/**
 * Puts copies of token.object in the place of those that a power cut left empty or cut short. To be called before the module
 * is loaded.
 * @returns what it did, for the log
 */
export function restoreTokenFiles(): string[] {
  const tokens = tokensFolder();
  if (tokens === undefined || !existsSync(copiesOf(tokens))) return [];
  return readdirSync(copiesOf(tokens)).flatMap((name) => {
    const folder = join(tokens, name);
    const path = join(folder, tokenFile);
    const copy = read(join(copiesOf(tokens), name));
    if (!existsSync(folder) || !isWhole(copy) || isWhole(read(path))) return [];
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, secondLook);
    const damaged = read(path);
    if (isWhole(damaged)) return [];
    writeDurably(folder, tokenFile, copy);
    return [
      `${path} was damaged (${damaged.length} bytes), as a power cut leaves it: its second copy was put in its place`,
    ];
  });
}

/** The files of one token. */
export class TokenFiles {
  readonly #folder: string;
  #known: ReadonlySet<string>;

  private constructor(
    private readonly tokens: string,
    private readonly name: string,
  ) {
    this.#folder = join(tokens, name);
    this.#known = this.#objects();
  }

  /** @returns undefined where they are not found: then nothing is synced */
  static of(slot: Slot): TokenFiles | undefined {
    const tokens = tokensFolder();
    if (tokens === undefined) return undefined;
    const serial = slot.getToken().serialNumber;
    // The serial number is the end of the folder's name, a UUID.
    const name = readdirSync(tokens).find((each) => serial && each.replaceAll('-', '').endsWith(serial));
    return name === undefined ? undefined : new TokenFiles(tokens, name);
  }

  /** How many objects there are, those included that the module does not show, since they were left half written. */
  get count(): number {
    return this.#objects().size;
  }

  /** After a login: makes the token itself durable, and its second copy. A token that is read-only has none. */
  loggedIn(): void {
    const path = join(this.#folder, tokenFile);
    syncPath(path);
    const content = read(path);
    const folder = copiesOf(this.tokens);
    // It begins with a counter of changes.
    if (!isWhole(content) || read(join(folder, this.name)).subarray(8).equals(content.subarray(8))) return;
    try {
      mkdirSync(folder, { mode: 0o700, recursive: true });
      writeDurably(folder, this.name, content);
    } catch {
      // The token is of use without it.
    }
  }

  /** Makes what was made or destroyed since the last time durable. @throws HsmError */
  sync(): void {
    try {
      const now = this.#objects();
      const made = [...now].filter((name) => !this.#known.has(name));
      for (const name of made) syncPath(join(this.#folder, name));
      if (made.length > 0 || now.size < this.#known.size) syncPath(this.#folder);
      this.#known = now;
    } catch (error) {
      throw new HsmError('internal', `The files of the token cannot be synced: ${(error as Error).message}`);
    }
  }

  /** Why a token that does not say it could not be written: the error to tell, where it is full or read-only. */
  explain(error: unknown): unknown {
    if (!meaningOf(error)?.unexplained) return error;
    const probe = join(this.tokens, `.probe-${process.pid}`);
    try {
      writeFileSync(probe, Buffer.alloc(probeSize), { flag: 'wx', mode: 0o600 });
      return error;
    } catch (failure) {
      const { code = '' } = failure as NodeJS.ErrnoException;
      const advice = advices[code];
      return advice ? new HsmError(advice[0], `${advice[1]} (${code} in ${this.tokens})`) : error;
    } finally {
      rmSync(probe, { force: true });
    }
  }

  #objects(): ReadonlySet<string> {
    const isObject = (name: string) => name.endsWith('.object') && name !== tokenFile;
    return new Set(readdirSync(this.#folder).filter(isObject));
  }
}

const full = [
  'token-full',
  'The disk of the token is full: make room, or delete keys that are not needed.',
] as const;
const readOnly = [
  'read-only',
  'The token is read-only: keys can be used, and none made or destroyed. Make its files writable.',
] as const;
const advices: Readonly<Partial<Record<string, typeof full | typeof readOnly>>> = {
  ENOSPC: full,
  EDQUOT: full,
  EROFS: readOnly,
  EACCES: readOnly,
  EPERM: readOnly,
};

/** Empty where it cannot be read. */
function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

/** Bytes of a value by the number of its kind in SoftHSM's files; 0: its length stands before it. */
const valueSizes: Readonly<Partial<Record<number, number>>> = { 1: 1, 2: 8, 3: 0, 5: 0 };

/** Whether a file of SoftHSM's (ObjectFile.cpp) ends where its last attribute does, and has one. */
function isWhole(file: Buffer): boolean {
  let at = 8;
  while (at + 16 < file.length) {
    const kind = Number(file.readBigUInt64BE(at + 8));
    at += 16;
    if (kind === 4 || valueSizes[kind] === 0) {
      if (at + 8 > file.length) return false;
      const count = Number(file.readBigUInt64BE(at));
      at += 8 + (kind === 4 ? 8 * count : count);
    } else at += valueSizes[kind] ?? Infinity;
  }
  return at === file.length && at > 8;
}

function writeDurably(folder: string, name: string, content: Buffer): void {
  const made = join(folder, `.${name}.new`);
  rmSync(made, { force: true });
  writeFileSync(made, content, { flag: 'wx', mode: 0o600 });
  syncPath(made);
  renameSync(made, join(folder, name));
  syncPath(folder);
}

function syncPath(path: string): void {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    // Destroyed meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
