// Turns errors of the file system into sentences that say what to do.

const advice: Readonly<Record<string, string>> = {
  EROFS: 'Its file system is read-only: repair the disk or mount it for writing',
  EACCES: "Give the daemon's user access to it",
  EPERM: "Give the daemon's user access to it, and check whether the file is immutable (lsattr)",
  ENOSPC: 'Make room on its file system',
  EMFILE: 'The limit of open files is reached: raise it (ulimit -n, LimitNOFILE= of systemd)',
  ENFILE: 'The limit of open files of the whole machine is reached: raise it (sysctl fs.file-max)',
  EDQUOT: 'Make room in the quota',
  EEXIST: 'Something else is in its place: move it away',
  ENOTDIR: 'Something else is in its place: move it away',
  EISDIR: 'A folder is in its place: move it away',
};

/**
 * Describes an error of the file system.
 * @returns what failed, on which file, and what to do; undefined for other kinds of errors
 */
export function fileFault(error: unknown): string | undefined {
  const { code = '', message, path } = error as NodeJS.ErrnoException;
  const what = advice[code];
  // A socket or a program that cannot be opened has no path.
  const isLimit = code === 'EMFILE' || code === 'ENFILE';
  return what === undefined || (path === undefined && !isLimit)
    ? undefined
    : `${subject(path)}${message}. ${what}, and start the daemon again; what was acknowledged is kept.`;
}

/** A sentence about a path whose name does not say what it is. */
function subject(path = ''): string {
  return /\/audit(\/[^/]*)?$/.test(path) ? 'The audit log cannot be opened. ' : '';
}
