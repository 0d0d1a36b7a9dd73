// Which processes belong to a home, as Linux tells in /proc.
import { readdirSync, readFileSync } from 'node:fs';

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** Of /proc/PID/stat: what follows the command's name. */
function stat(pid: number): { state: string; parent: number } {
  const [state = '', parent = ''] = read(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ');
  return { state, parent: Number(parent) };
}

/** Whether a process is there and no zombie. */
export function lives(pid: number): boolean {
  return !['', 'Z', 'X'].includes(stat(pid).state);
}

/** The processes that a daemon has started and that run. */
export function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number).filter(lives);
}

/** Processes with a home's token in their environment that are no children of a daemon: workers that it left. */
export function strayWorkers(home: string, daemon: number): number[] {
  const mark = `SOFTHSM2_CONF=${home}/`;
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((pid) => {
    return read(`/proc/${pid}/environ`).includes(mark) && lives(pid) && stat(pid).parent !== daemon;
  });
}

/** Waits until something holds. @returns whether it did in time */
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
