// The processes of a home, from Linux's /proc.
import { readdirSync, readFileSync } from 'node:fs';

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** The fields of /proc/PID/stat after the command's name. */
function stat(pid: number): { state: string; parent: number } {
  const [state = '', parent = ''] = read(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ');
  return { state, parent: Number(parent) };
}

/** Whether a process exists and is not a zombie. */
export function lives(pid: number): boolean {
  return !['', 'Z', 'X'].includes(stat(pid).state);
}

/** The running children of a daemon. */
export function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number).filter(lives);
}

/** Processes with a home's token in their environment that are not children of its daemon: left-over workers. */
export function strayWorkers(home: string, daemon: number): number[] {
  const mark = `SOFTHSM2_CONF=${home}/`;
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((pid) => {
    return read(`/proc/${pid}/environ`).includes(mark) && lives(pid) && stat(pid).parent !== daemon;
  });
}

/** Waits until a condition is true. @returns whether it was in time */
export async function within(
  milliseconds: number,
  condition: () => boolean | Promise<boolean>,
): Promise<boolean> {
  for (const end = performance.now() + milliseconds; ;) {
    if (await condition()) return true;
    if (performance.now() > end) return false;
    await new Promise((done) => setTimeout(done, 5));
  }
}
