// The path of the unix socket: what is there before the daemon listens, and whether its own socket is still there.
import { execFile } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, rmSync, type Stats } from 'node:fs';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { z } from 'zod';
import { ListenError } from '../listener.js';

/** sizeof(sun_path) less its terminating zero, unix(7). */
const maxSocketPath = 107;

/** Where a socket is, and who may connect. */
export interface SocketPlace {
  /** Absolute. */
  readonly path: string;
  /** Name or number; undefined: that of the daemon's user. */
  readonly group: string | undefined;
  /** Such as 0o660. */
  readonly mode: number;
}

/** Identifies a file on this machine. */
export interface FileId {
  readonly device: number;
  readonly inode: number;
}

/**
 * Makes the path free: a socket that nobody listens on is left by a daemon that was killed, and is removed.
 * @throws ListenError where another daemon answers, something else is there, or the path is too long
 */
export async function clearSocketPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > maxSocketPath) {
    throw new ListenError(
      `The socket's path has more than ${maxSocketPath} bytes: ${path}. Set a shorter KEYHOLD_HOME.`,
    );
  }
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) {
    throw new ListenError(
      `${path} is ${kindOf(found)}, not a socket: move it away, or set listen.socket to another path.`,
    );
  }
  if (await isAnswered(path))
    throw new ListenError(`Another daemon answers on ${path}: stop it first, or set another KEYHOLD_HOME.`);
  rmSync(path);
}

/**
 * Listens so that the socket is never open to others than it shall be, not even for an instant between bind and chmod.
 * @returns the socket that was made
 * @throws ListenError where the group is none, or not one of the daemon's user
 */
export async function makeSocket(
  { path, group, mode }: SocketPlace,
  listen: () => Promise<void>,
): Promise<FileId> {
  const gid = group === undefined ? undefined : await groupId(group);
  // Only while the socket is bound, which is done at once: files that others make meanwhile keep their modes.
  const mask = process.umask(0o177);
  let listening: Promise<void>;
  try {
    listening = listen();
  } finally {
    process.umask(mask);
  }
  await listening;
  if (gid !== undefined) giveToGroup(path, gid, group!);
  chmodSync(path, mode);
  return socketAt(path) ?? { device: 0, inode: 0 };
}

/** The number of a group, as the system knows it. @throws ListenError */
async function groupId(group: string): Promise<number> {
  if (/^[0-9]+$/.test(group)) return Number(group);
  try {
    const { stdout } = await promisify(execFile)('getent', ['group', group], { timeout: 10_000 });
    return z.coerce.number().int().parse(stdout.split(':')[2]);
  } catch {
    throw new ListenError(`There is no group '${group}' on this machine, which listen.socketGroup names.`);
  }
}

function giveToGroup(path: string, gid: number, group: string): void {
  try {
    chownSync(path, -1, gid);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ListenError(
      `The socket ${path} cannot be given to the group '${group}' (${code}): the daemon's user must belong to it.`,
    );
  }
}

/** Whether a path still leads to the socket that was made there. */
export function isStillThere(path: string, made: FileId): boolean {
  const found = socketAt(path);
  return found?.device === made.device && found.inode === made.inode;
}

function socketAt(path: string): FileId | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isSocket() ? { device: found.dev, inode: found.ino } : undefined;
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return 'a folder';
  if (found.isSymbolicLink()) return 'a symbolic link';
  if (found.isFile()) return 'a file';
  return found.isFIFO() ? 'a pipe' : 'a device';
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    // Where it may not be asked it is in use: only a refusal says that nobody listens.
    probe.on('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'),
    );
  });
}
