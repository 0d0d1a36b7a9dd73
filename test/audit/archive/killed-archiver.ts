// A program that archives files of a log, and kills itself before a step of it.
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { archiveFiles } from '../../../daemon/audit/archive/archive.js';
import { openLog } from '../support.js';
import { archivable, fileSize } from './support.js';

const [directory = '', to = '', step = '0', before = '0'] = process.argv.slice(2);
const { log } = await openLog(directory, { ...fileSize });

// Every call that changes files or folders counts as a step.
let left = Number(step);
const count = () => {
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
};
for (const name of ['open', 'link', 'rm'] as const) {
  const real = fs[name] as (...args: unknown[]) => unknown;
  Object.assign(fs, {
    [name]: (...args: unknown[]) => {
      count();
      return real(...args);
    },
  });
}
syncBuiltinESMExports();
const own = archivable(directory, log);
await archiveFiles(
  {
    ...own,
    record: async (...args) => {
      count();
      await own.record(...args);
      count();
    },
  },
  to,
  Number(before),
);
await log.close();
process.stdout.write('done\n');
