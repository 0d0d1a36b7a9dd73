// The unix socket's file: clearing its path before the daemon listens, its permissions, and whether it still exists.
import { execFile } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, rmSync, type Stats } from 'node:fs';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { z } from 'zod';
import { ListenError } from '../listener.js';

/** Maximum length in bytes: sizeof(sun_path) without the terminating zero, unix(7). */
const maxSocketPath = 107;

/** The path of a socket, and who may connect to it. */
export interface SocketPlace {
  /** Absolute path. */
  readonly path: string;
  /** Name or number of its group; undefined for the daemon's own. */
  readonly group: string | undefined;
  /** File mode, such as 0o660. */
  readonly mode: number;
}

/** Identifies a file on this machine. */
export interface FileId {
  readonly device: number;
  readonly inode: number;
}

/**
 * Removes the stale socket of a daemon that was killed, if there is one.
 * @throws ListenError if another daemon answers, the path is not a socket, or it is too long
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
 * Listens on a socket and sets its permissions. It is never open to anyone else, not even between bind and chmod.
 * @param listen listens on the path
 * @returns the file of the socket
 * @throws ListenError if the group does not exist, or the daemon's user does not belong to it
 */
export async function makeSocket(
  { path, group, mode }: SocketPlace,
  listen: () => Promise<void>,
): Promise<FileId> {
  const gid = group === undefined ? undefined : await groupId(group);
  // bind() is synchronous, so the mask affects no file that is created elsewhere meanwhile.
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

/** Looks up the number of a group with getent. @throws ListenError if there is no such group */
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

/** Whether a path is still the socket that was made there. */
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
    // Only these errors prove that nothing listens. After any other, such as EACCES, the socket counts as in use.
    probe.on('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'),
    );
  });
}
