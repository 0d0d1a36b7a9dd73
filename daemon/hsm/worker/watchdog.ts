// Ends a worker whose daemon died while a call of the vendor's module hangs: then nothing reads the channel's end.
import { Worker } from 'node:worker_threads';

/** The end of the channel comes first and lets the worker log out; only a hanging one lives this long. */
const grace = 700;
const lookEvery = 300;

/**
 * Starts a thread (9 MB, nothing else of it is noticeable) that looks whether the daemon is still the parent.
 * @param daemon its process id
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
