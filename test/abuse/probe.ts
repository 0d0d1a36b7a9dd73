// Loaded into the daemon under test: on SIGUSR2 it collects garbage and writes the memory figures to a file.
import { readdirSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const { KEYHOLD_ABUSE_FIGURES: path } = process.env;
// The daemon's workers inherit its environment, but are not measured.
if (path !== undefined && process.argv[1]?.endsWith('daemon/main.js')) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  process.on('SIGUSR2', () => {
    collect();
    const { rss, heapUsed, external } = process.memoryUsage();
    const descriptors = readdirSync('/proc/self/fd').length;
    writeFileSync(path, `${JSON.stringify({ resident: rss, heap: heapUsed, external, descriptors })}\n`);
  });
}
