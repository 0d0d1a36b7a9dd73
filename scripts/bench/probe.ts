// Loaded into the measured process by --import: counts its fdatasyncs, and answers queries of the benchmark over the IPC
// channel with figures that only the process itself has. Needs --expose-gc.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** Figures of a process. */
export interface Probed {
  /** Bytes of V8's heap. */
  readonly heap: number;
  /** Bytes outside the heap that belong to its objects. */
  readonly external: number;
  /** Handles and requests that keep the event loop alive. */
  readonly resources: number;
  /** Number of fdatasyncs so far. */
  readonly syncs: number;
  /** Milliseconds spent in fdatasyncs so far. */
  readonly syncTime: number;
}

let syncs = 0;
let syncTime = 0;

const fdatasync = fs.fdatasync.bind(fs);
fs.fdatasync = ((fd: number, done: fs.NoParamCallback) => {
  const begun = performance.now();
  fdatasync(fd, (error) => {
    syncs += 1;
    syncTime += performance.now() - begun;
    done(error);
  });
}) as typeof fs.fdatasync;
syncBuiltinESMExports();

process.on('message', (request) => {
  // A garbage collection would disturb the measurement of a rate.
  if (request === 'memory') for (let pass = 0; pass < 3; pass++) globalThis.gc?.();
  const { heapUsed: heap, external } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo().length;
  process.send?.({ heap, external, resources, syncs, syncTime } satisfies Probed);
});
// The process ends with the benchmark, and the channel does not keep it alive.
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
