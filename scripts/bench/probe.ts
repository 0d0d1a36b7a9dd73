// Loaded into the daemon that is measured, by --import: counts the fdatasyncs of the audit log, and tells over the channel
// to the benchmark what only the process itself knows. Needs --expose-gc.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

export interface Probed {
  /** Bytes after a garbage collection: V8's, and what hangs on its objects. */
  readonly heap: number;
  readonly external: number;
  /** Handles and requests that keep the event loop alive. */
  readonly resources: number;
  /** fdatasyncs so far, and milliseconds in which one was under way. */
  readonly syncs: number;
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
  // A collection would disturb a rate.
  if (request === 'memory') for (let pass = 0; pass < 3; pass++) globalThis.gc?.();
  const { heapUsed: heap, external } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo().length;
  process.send?.({ heap, external, resources, syncs, syncTime } satisfies Probed);
});
// The process must end by itself, and when the benchmark is gone.
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
