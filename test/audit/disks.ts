// Real file systems for the tests of failing disks: small ones, and one that loses its medium.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

function run(command: string, ...args: string[]): string | undefined {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}

function must(command: string, ...args: string[]): void {
  const fault = run(command, ...args);
  if (fault !== undefined) throw new Error(`${command} ${args.join(' ')}: ${fault}`);
}

/** A file system that the test mounted; `remove` unmounts it. */
export interface Disk {
  readonly directory: string;
  readonly remove: () => void;
}

/** A file system in memory. @param size in KiB */
export function memoryDisk(size: number): Disk {
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-disk-'));
  must('mount', '-t', 'tmpfs', '-o', `size=${size}k`, 'tmpfs', directory);
  return {
    directory,
    remove: () => {
      must('umount', '--lazy', directory);
      rmSync(directory, { recursive: true });
    },
  };
}

export interface ThinDisk extends Disk {
  /** Folder of the medium: what is written here takes space from the disk. */
  readonly medium: string;
}

/**
 * An ext2 of 8 MiB whose medium has room for 2 MiB. Writes go to the page cache and succeed; when the medium is full
 * fdatasync fails with EIO.
 */
export function thinDisk(): ThinDisk {
  const medium = memoryDisk(2048);
  try {
    const image = join(medium.directory, 'image');
    const directory = join(medium.directory, 'mounted');
    must('truncate', '--size=8M', image);
    must('mkfs.ext2', '-q', '-b', '4096', '-m', '0', image);
    mkdirSync(directory);
    must('mount', '-o', 'loop,errors=continue', image, directory);
    return {
      directory,
      medium: medium.directory,
      remove: () => {
        must('umount', '--lazy', directory);
        medium.remove();
      },
    };
  } catch (error) {
    medium.remove();
    throw error;
  }
}

export interface ErrantDisk extends Disk {
  /** Makes it read-only while it is in use, as the kernel does after an error of the medium. */
  readonly fail: () => void;
  /** Mounts it again; none of its files may be open. */
  readonly mend: () => void;
}

/** An ext4 of 16 MiB. */
export function errantDisk(): ErrantDisk {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-disk-'));
  const [image, directory] = [join(folder, 'image'), join(folder, 'mounted')];
  mkdirSync(directory);
  must('truncate', '--size=16M', image);
  must('mkfs.ext4', '-q', '-m', '0', image);
  const mount = () => must('mount', '-o', 'loop,errors=remount-ro', image, directory);
  mount();
  rmSync(join(directory, 'lost+found'), { recursive: true });
  return {
    directory,
    fail: () => {
      const { stdout } = spawnSync('findmnt', ['-no', 'SOURCE', directory], { encoding: 'utf8' });
      writeFileSync(join('/sys/fs/ext4', basename(stdout.trim()), 'trigger_fs_error'), 'a test');
    },
    mend: () => {
      must('umount', directory);
      mount();
    },
    remove: () => {
      must('umount', '--lazy', directory);
      rmSync(folder, { recursive: true });
    },
  };
}

/** Makes a folder read-only; none of its files may be open for writing. @returns a function that undoes it */
export function makeReadOnly(path: string): () => void {
  must('mount', '--bind', path, path);
  must('mount', '-o', 'remount,bind,ro', path);
  return () => must('umount', '--lazy', path);
}

/** Makes a folder and its files immutable, even for processes that have them open. @returns a function that undoes it */
export function makeImmutable(path: string): () => void {
  must('chattr', '-R', '+i', path);
  return () => must('chattr', '-R', '-i', path);
}

/** The reason why such a disk cannot be created here, which is also printed; false if it can. */
export function unavailable(make: () => Disk): string | false {
  try {
    make().remove();
    return false;
  } catch (error) {
    const reason = `NOT TESTED: this test needs to mount file systems (${(error as Error).message})`;
    process.stderr.write(`${reason}\n`);
    return reason;
  }
}

/** Makes every write to a disk wait, as a hanging medium does. @returns a function that undoes it */
export function freeze({ directory }: Disk): () => void {
  must('fsfreeze', '--freeze', directory);
  return () => void run('fsfreeze', '--unfreeze', directory);
}
