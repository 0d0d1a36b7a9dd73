// Files that cannot be used, in a sentence that says what to do.

const advice: Readonly<Record<string, string>> = {
  EROFS: 'Its file system is read-only: mend the disk, mount it for writing',
  EACCES: "Give the daemon's user the right to it",
  EPERM: "Give the daemon's user the right to it, and see whether the file is immutable (lsattr)",
  ENOSPC: 'Make room on its file system',
  EDQUOT: 'Make room in the quota',
};

/** @returns what a failed call on a file says and what to do about it; undefined where an error is of another kind */
export function fileFault(error: unknown): string | undefined {
  const { code = '', message, path } = error as NodeJS.ErrnoException;
  const what = advice[code];
  return what === undefined || path === undefined
    ? undefined
    : `${message}. ${what}, and start the daemon again; what was acknowledged is kept.`;
}
