// What the daemon holds, as test/abuse/probe.ts tells it.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { TestDaemon } from '../support/daemon.js';
import { checkout } from '../support/paths.js';

/** Bytes, and a number of descriptors. */
const figures = z.object({
  resident: z.number(),
  /** Used, after a garbage collection. */
  heap: z.number(),
  external: z.number(),
  descriptors: z.number(),
});
export type Figures = z.infer<typeof figures>;

/** Connections of clients that have gone are ended by then: two intervals of HTTP/2's pings, and what a busy machine adds. */
const longestRest = 40_000;

/** Files that the daemon opens for an instant. */
const few = 2;

const pathIn = (daemon: TestDaemon) => join(daemon.home, 'figures');

/** For the start of the daemon. */
export function probeEnv(daemon: TestDaemon): NodeJS.ProcessEnv {
  return {
    NODE_OPTIONS: `--import=${join(checkout, 'dist/test/abuse/probe.js')}`,
    KEYHOLD_ABUSE_FIGURES: pathIn(daemon),
  };
}

/** Asks when the daemon has no more descriptors than it had, or has had time to close them. @param descriptors it had */
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
      // It is not there yet, or not whole.
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
