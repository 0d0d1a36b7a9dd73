// The processes of a home, from Linux's /proc.
import { readdirSync, readFileSync } from 'node:fs';

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** State, parent, and CPU time in clock ticks of a process (proc_pid_stat(5)); a process that has ended has state ''. */
function stat(pid: number): { state: string; parent: number; ticks: number } {
  const fields = read(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ');
  const [state = '', parent = ''] = fields;
  return { state, parent: Number(parent), ticks: Number(fields[11]) + Number(fields[12]) };
}

/** Whether a process exists and is not a zombie. */
export function lives(pid: number): boolean {
  return !['', 'Z', 'X'].includes(stat(pid).state);
}

/** The running children of a daemon. */
export function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number).filter(lives);
}

/** The HSM workers of a daemon, whatever else it has started, in the order of their process IDs. */
export function workersOf(pid: number): number[] {
  return childrenOf(pid)
    .filter((child) => read(`/proc/${child}/cmdline`).includes('worker/main.js'))
    .sort((a, b) => a - b);
}

/** User and system time of a process in clock ticks (10 ms); NaN if it has ended. */
export function ticksOf(pid: number): number {
  return stat(pid).ticks;
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
