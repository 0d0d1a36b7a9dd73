// Core dumps: the memory of daemon and workers holds plaintexts and data keys, and must not be written to a disk.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

/**
 * Turns off core dumps of this process and of those that it starts from now on: no memory goes into a dump (core(5),
 * `coredump_filter`), which also applies to a handler that `kernel.core_pattern` pipes dumps to, and the limit of their size
 * is 0, soft and hard (getrlimit(2), RLIMIT_CORE).
 * @returns a sentence if they could not be turned off
 */
export function turnOffCoreDumps(): string | undefined {
  try {
    writeFileSync('/proc/self/coredump_filter', '0');
    const limit = /^Max core file size +0 +0 /m;
    // Node has no setrlimit; the start script has set the limit, other ways to start may not have.
    if (!limit.test(readFileSync('/proc/self/limits', 'latin1')))
      execFileSync('prlimit', ['--pid', String(process.pid), '--core=0:0'], { stdio: 'ignore' });
    return undefined;
  } catch (error) {
    return `Core dumps could not be turned off (${error instanceof Error ? error.message : ''}): run 'ulimit -c 0' first.`;
  }
}
