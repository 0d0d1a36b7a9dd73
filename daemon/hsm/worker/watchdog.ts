// Kills a worker whose daemon died while a call of the module hangs, so that the worker cannot notice the closed channel.
import { Worker } from 'node:worker_threads';

/** Milliseconds in which a worker that does not hang notices the closed channel and logs out. */
const grace = 700;
const lookEvery = 300;

/**
 * Starts a thread (9 MB of memory) that checks whether the daemon is still the parent process.
 * @param daemon process ID of the daemon
 */
export function watchParent(daemon: number): void {
  const source = `
    const watch = setInterval(() => {
      if (process.ppid === ${daemon}) return;
      clearInterval(watch);
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${grace});
    }, ${lookEvery});`;
  new Worker(source, {
    eval: true,
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 },
  });
}
