// Another program changes the log's file while the daemon runs. Nothing is acknowledged unless it is in the file at the
// log's path.
import { copyFileSync, cpSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { fileNames, members, openLog, readLog, until, verify } from './support.js';

const file = 'audit-00000001.jsonl';

interface Disturbance {
  readonly what: string;
  /** @param path of the log's file */
  readonly disturb: (path: string) => void;
  /** How the operator repairs it. @param fault what the log reports */
  readonly mend: (path: string, fault: string) => void;
  readonly says: RegExp;
}

const copyOfOpenFile = (fault: string) => /\/proc\/\d+\/fd\/\d+/.exec(fault)?.[0] ?? '';

const disturbances: readonly Disturbance[] = [
  {
    what: 'it is renamed, as logrotate does',
    disturb: (path) => renameSync(path, `${path}.1`),
    mend: (path) => renameSync(`${path}.1`, path),
    says: /was deleted or renamed/,
  },
  {
    what: 'it is renamed, and another one made in its place',
    disturb(path) {
      renameSync(path, `${path}.1`);
      writeFileSync(path, '');
    },
    mend: (path) => renameSync(`${path}.1`, path),
    says: /is another file/,
  },
  {
    what: 'it is copied and emptied, as logrotate does with copytruncate',
    disturb(path) {
      copyFileSync(path, `${path}.1`);
      truncateSync(path);
    },
    mend: (path) => renameSync(`${path}.1`, path),
    says: /another program truncated or wrote it/,
  },
  {
    what: 'it loses as many bytes as the next record has',
    disturb(path) {
      copyFileSync(path, `${path}.1`);
      const text = readFileSync(path, 'utf8');
      truncateSync(path, text.slice(0, -1).lastIndexOf('\n') + 1);
    },
    mend: (path) => renameSync(`${path}.1`, path),
    says: /another program truncated or wrote it/,
  },
  {
    what: 'something else writes into it',
    disturb: (path) => writeFileSync(path, 'a line\n', { flag: 'a' }),
    // Everything after the durable records is cut off.
    mend: () => undefined,
    says: /another program truncated or wrote it/,
  },
  {
    what: 'it is deleted',
    disturb: (path) => rmSync(path),
    mend: (path, fault) => cpSync(copyOfOpenFile(fault), path, { dereference: true }),
    says: /was deleted or renamed/,
  },
  {
    what: 'its folder is renamed',
    disturb: (path) => renameSync(join(path, '..'), join(path, '../../elsewhere')),
    mend: (path) => renameSync(join(path, '../../elsewhere'), join(path, '..')),
    says: /was deleted or renamed/,
  },
  {
    what: 'its folder is a copy of what it was',
    disturb(path) {
      cpSync(join(path, '..'), join(path, '../../copy'), { recursive: true });
      renameSync(join(path, '..'), join(path, '../../elsewhere'));
      renameSync(join(path, '../../copy'), join(path, '..'));
    },
    mend(path) {
      rmSync(join(path, '..'), { recursive: true });
      renameSync(join(path, '../../elsewhere'), join(path, '..'));
    },
    says: /is another file/,
  },
];

for (const { what, disturb, mend, says } of disturbances) {
  await t.test(`nothing is acknowledged once ${what}; the log continues when it is put back`, async (t) => {
    const directory = join(t.testdir(), 'audit');
    const { log, events } = await openLog(directory);
    for (let number = 10; number < 20; number++) await log.append(members(number));
    const durable = log.head;
    disturb(join(directory, file));
    const [first, second] = await Promise.allSettled([log.append(members(20)), log.append(members(21))]);
    t.match(first, { status: 'rejected', reason: { name: 'AuditError', message: says } });
    t.equal(second.status, 'rejected');
    t.equal(log.available, false);
    t.match(log.fault, says);
    t.match(log.fault, /keyhold recover audit/);
    t.same(log.head, durable);
    await t.rejects(log.append(members(99)), { name: 'AuditError', message: says });
    mend(join(directory, file), log.fault ?? '');
    await until(() => log.available);
    t.equal(log.fault, undefined);
    t.match(
      events.findLast(({ type }) => type === 'recovered'),
      { written: 2 },
    );
    await log.append(members(22));
    await log.close();
    t.match(verify(directory, { expectHead: durable }), { fault: undefined });
    const numbers = readLog(directory).flatMap((line) => /event-(\d+)/.exec(line)?.[1] ?? []);
    t.same(
      numbers,
      Array.from({ length: 13 }, (_, index) => String(10 + index)),
    );
  });
}

await t.test('an idle log reports the change too, before an append', async (t) => {
  const directory = join(t.testdir(), 'audit');
  const { log } = await openLog(directory);
  await log.append(members(1));
  renameSync(join(directory, file), join(directory, 'away'));
  await until(() => !log.available);
  t.match(log.fault, /was deleted or renamed/);
  renameSync(join(directory, 'away'), join(directory, file));
  await until(() => log.available);
  await log.close();
  t.match(verify(directory), { fault: undefined });
});

await t.test('older files may be moved away', async (t) => {
  const directory = join(t.testdir(), 'audit');
  const { log } = await openLog(directory, { maxFileSize: 1000 });
  for (let number = 0; number < 20; number++) await log.append(members(number));
  t.ok(fileNames(directory).length > 2);
  rmSync(join(directory, file));
  await log.append(members(20));
  await log.close();
});
