// Memory and descriptors of the daemon, as test/abuse/probe.ts reports them.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { TestDaemon } from '../support/daemon.js';
import { checkout } from '../support/paths.js';

/** Sizes in bytes, and the number of open descriptors. */
const figures = z.object({
  resident: z.number(),
  /** Bytes in use after a garbage collection. */
  heap: z.number(),
  external: z.number(),
  descriptors: z.number(),
});
export type Figures = z.infer<typeof figures>;

/** By then connections of clients that have gone are closed: two intervals of HTTP/2's pings, and a margin for a busy machine. */
const longestRest = 40_000;

/** Allowance for files that the daemon opens briefly. */
const few = 2;

const pathIn = (daemon: TestDaemon) => join(daemon.home, 'figures');

/** Environment that loads the probe into the daemon. */
export function probeEnv(daemon: TestDaemon): NodeJS.ProcessEnv {
  return {
    NODE_OPTIONS: `--import=${join(checkout, 'dist/test/abuse/probe.js')}`,
    KEYHOLD_ABUSE_FIGURES: pathIn(daemon),
  };
}

/** Reads the figures once the daemon has closed its connections, or has had time to. @param descriptors open at the start */
export async function figuresOf(daemon: TestDaemon, descriptors: number): Promise<Figures> {
  const end = Date.now() + longestRest;
  while (readdirSync(`/proc/${daemon.pid}/fd`).length > descriptors + few && Date.now() < end)
    await sleep(100);
  const path = pathIn(daemon);
  rmSync(path, { force: true });
  process.kill(daemon.pid, 'SIGUSR2');
  for (;;) {
    await sleep(50);
    try {
      return figures.parse(JSON.parse(readFileSync(path, 'utf8')));
    } catch {
      // The file does not exist yet, or is incomplete.
      if (Date.now() > end + longestRest) throw new Error('the daemon does not tell what it holds');
    }
  }
}

/** Slope of a line through points, by least squares. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (pick: 0 | 1) => points.reduce((sum, point) => sum + point[pick], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const of = (value: (x: number, y: number) => number) =>
    points.reduce((sum, [x, y]) => sum + value(x - meanX, y - meanY), 0);
  return of((x, y) => x * y) / of((x) => x * x);
}
