// Durability of token files for a module that syncs nothing (SoftHSM 2.6.1). The worker that writes syncs them before it
// answers, and keeps a second copy of token.object, which each login rewrites, beside the tokens.
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

/** Milliseconds after which a file that looks damaged is read again: another process may be writing it. */
const secondLook = 300;

/** Bytes that can be written to a token's folder if the disk is neither full nor read-only. */
const probeSize = 4096;

const setting = /^directories\.tokendir\s*=\s*(.*?)\s*$/m;

/** Reads the folder of all tokens from SoftHSM2's configuration. */
function tokensFolder(): string | undefined {
  const { SOFTHSM2_CONF } = process.env;
  if (SOFTHSM2_CONF === undefined) return undefined;
  try {
    return setting.exec(readFileSync(SOFTHSM2_CONF, 'utf8'))?.[1]?.replace(/\/+$/, '');
  } catch {
    return undefined;
  }
}

/** The folder of second copies. It is beside the tokens' folder, because SoftHSM treats each folder inside as a token. */
const copiesOf = (tokens: string): string => `${tokens}.copies`;

/**
 * Replaces every token.object that a power cut left empty or truncated by its second copy. Call it before the module is
 * loaded.
 * @returns a message for the log for each restored file
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
      `${path} was damaged (${damaged.length} bytes), as after a power cut: it was restored from its second copy`,
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

  /** Finds the files of the token in a slot. @returns undefined if they are not found; then nothing is synced */
  static of(slot: Slot): TokenFiles | undefined {
    const tokens = tokensFolder();
    if (tokens === undefined) return undefined;
    const serial = slot.getToken().serialNumber;
    // The serial number is the end of the folder's name, a UUID.
    const name = readdirSync(tokens).find((each) => serial && each.replaceAll('-', '').endsWith(serial));
    return name === undefined ? undefined : new TokenFiles(tokens, name);
  }

  /** Number of objects, including half-written ones, which the module does not show. */
  get count(): number {
    return this.#objects().size;
  }

  /** After a login: makes token.object and its second copy durable. A read-only token has no copy. */
  loggedIn(): void {
    const path = join(this.#folder, tokenFile);
    syncPath(path);
    const content = read(path);
    const folder = copiesOf(this.tokens);
    // The first 8 bytes count changes.
    if (!isWhole(content) || read(join(folder, this.name)).subarray(8).equals(content.subarray(8))) return;
    try {
      mkdirSync(folder, { mode: 0o700, recursive: true });
      writeDurably(folder, this.name, content);
    } catch {
      // The token works without it.
    }
  }

  /** Makes the objects that were created or destroyed since the last call durable. @throws HsmError 'internal' */
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

  /**
   * Finds the reason of an unexplained failure to write: a full disk or a read-only file system.
   * @returns the HsmError with the reason, or the given error
   */
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
  'The token is read-only: keys can be used, but not created or destroyed. Make its files writable.',
] as const;
const advices: Readonly<Partial<Record<string, typeof full | typeof readOnly>>> = {
  ENOSPC: full,
  EDQUOT: full,
  EROFS: readOnly,
  EACCES: readOnly,
  EPERM: readOnly,
};

/** Reads a file. @returns no bytes if it cannot be read */
function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

/** Size in bytes of a value by the number of its kind in SoftHSM's files; 0: a length precedes the value. */
const valueSizes: Readonly<Partial<Record<number, number>>> = { 1: 1, 2: 8, 3: 0, 5: 0 };

/** Whether a file of SoftHSM (ObjectFile.cpp) has attributes and ends exactly after the last one. */
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
