// The path of the unix socket: what is there before the daemon listens, and whether its own socket is still there.
import { chmodSync, lstatSync, rmSync, type Stats } from 'node:fs';
import { connect } from 'node:net';
import { ListenError } from '../listener.js';

/** sizeof(sun_path) less its terminating zero, unix(7). */
const maxSocketPath = 107;

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
 * Listens so that the socket is never open to others, not even for an instant between bind and chmod.
 * @returns the socket that was made, mode 0660
 */
export async function makeSocket(path: string, listen: () => Promise<void>): Promise<FileId> {
  // Only while the socket is bound, which is done at once: files that others make meanwhile keep their modes.
  const mask = process.umask(0o117);
  let listening: Promise<void>;
  try {
    listening = listen();
  } finally {
    process.umask(mask);
  }
  await listening;
  chmodSync(path, 0o660);
  return socketAt(path) ?? { device: 0, inode: 0 };
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
