import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { ChainHead } from '../../daemon/audit/chain.js';
import { members, openLog, readLog } from './support.js';
import { recordHash } from '../../daemon/audit/chain.js';

const program = fileURLToPath(new URL('killed-writer.js', import.meta.url));

await t.test(
  'acknowledged records survive kill -9 at any instant, and the log can be continued',
  async (t) => {
    const directory = join(t.testdir(), 'audit');
    let acknowledged: ChainHead[] = [];
    for (const delay of [5, 20, 60, 130]) {
      const child = spawn(process.execPath, [program, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
      const closed = once(child, 'close');
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.endsWith('}')) acknowledged.push(JSON.parse(line) as ChainHead);
      });
      await once(child.stdout, 'data');
      setTimeout(() => child.kill('SIGKILL'), delay);
      await closed;
      const { log } = await openLog(directory);
      await log.append(members(0));
      await log.close();
      const lines = readLog(directory);
      t.ok(acknowledged.length > 0);
      for (const { sequence, hash } of new Map(acknowledged.map((head) => [head.sequence, head])).values()) {
        if (recordHash(lines[sequence - 1] ?? '') !== hash)
          t.fail(`record ${sequence} was acknowledged and is missing`);
      }
      let previous = '0'.repeat(64);
      for (const line of lines) {
        if ((JSON.parse(line) as { previous: string }).previous !== previous)
          t.fail(`the chain is broken at ${line}`);
        previous = recordHash(line);
      }
      acknowledged = acknowledged.slice(-1);
    }
  },
);
