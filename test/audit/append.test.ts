import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { AuditError } from '../../daemon/audit/audit-log.js';
import { fileNames, members, openLog, readLog, verify } from './support.js';

const directoryOf = (test: Pick<typeof t, 'testdir'>) => join(test.testdir(), 'audit');

await t.test(
  'a record carries its sequence number, and the hash of the exact bytes of the line before',
  async (t) => {
    const directory = directoryOf(t);
    const { log } = await openLog(directory);
    t.same(log.head, { sequence: 0, hash: '0'.repeat(64) });
    await log.append(members(1));
    await log.append(members(2, 'its members say "sequence":7,"previous":"00"'));
    const [first, second] = readLog(directory) as [string, string];
    const hash = (line: string) => createHash('sha256').update(line).digest('hex');
    t.equal(first, `{"sequence":1,"previous":"${'0'.repeat(64)}",${members(1)}}`);
    t.ok(second.startsWith(`{"sequence":2,"previous":"${hash(first)}",`));
    t.same(log.head, { sequence: 2, hash: hash(second) });
    await log.close();
  },
);

await t.test(
  'a thousand concurrent appends are written in the order of the calls, with far fewer fdatasyncs',
  async (t) => {
    const directory = directoryOf(t);
    const { log } = await openLog(directory);
    await Promise.all(
      Array.from({ length: 1000 }, async (_, index) => {
        if (index % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        await log.append(members(index));
      }),
    );
    t.ok(log.commits <= 10, `${log.commits} fdatasyncs`);
    await log.close();
    const ids = readLog(directory).flatMap((line) => /event-\d+/.exec(line)?.[0] ?? []);
    const called = Array.from({ length: 1000 }, (_, index) => index);
    const inOrder = [
      ...called.filter((index) => index % 3 !== 0),
      ...called.filter((index) => index % 3 === 0),
    ];
    t.same(
      ids,
      inOrder.map((index) => `event-${index}`),
    );
    const { fault, records, checkpoints, chainedOnly } = verify(directory);
    t.same([fault, records - checkpoints, chainedOnly], [undefined, 1000, 1]);
  },
);

await t.test('an append returns only when the head is its record or a later one', async (t) => {
  const { log } = await openLog(directoryOf(t));
  await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      await log.append(members(index));
      t.ok(log.head.sequence >= index + 1);
    }),
  );
  await log.close();
});

await t.test('log and chain continue in a new file when one is full', async (t) => {
  const directory = directoryOf(t);
  const first = await openLog(directory, { maxFileSize: 4096 });
  for (let index = 0; index < 40; index++) await first.log.append(members(index));
  await first.log.close();
  const second = await openLog(directory, { maxFileSize: 4096 });
  for (let index = 0; index < 40; index++) await second.log.append(members(index));
  await second.log.close();
  const names = fileNames(directory);
  t.ok(names.length >= 4);
  t.same(
    names,
    names.map((_, index) => `audit-0000000${index + 1}.jsonl`),
  );
  for (const name of names) {
    const { mode, size } = statSync(join(directory, name));
    t.equal(mode & 0o777, 0o600);
    t.ok(size < 4096 + 1024);
  }
  t.equal(statSync(directory).mode & 0o777, 0o700);
  t.match(verify(directory), { fault: undefined, files: names.length, records: 82 });
});

await t.test('an append that would break the format is refused and leaves the log unchanged', async (t) => {
  const directory = directoryOf(t);
  const { log } = await openLog(directory);
  await t.rejects(log.append('"a":"b"\n'), AuditError);
  await t.rejects(log.append(`"a":"${'b'.repeat(1024 * 1024)}"`), AuditError);
  await log.append(members(1));
  await log.close();
  t.match(verify(directory), { fault: undefined, records: 2 });
});

await t.test('the longest event that can be appended can be verified and continued', async (t) => {
  const directory = directoryOf(t);
  const { log } = await openLog(directory);
  await log.append(`"a":"${'€'.repeat(1024 * 1024 - 6)}"`);
  await log.close();
  const again = await openLog(directory);
  await again.log.append(members(2));
  await again.log.close();
  t.match(verify(directory), { fault: undefined, records: 4 });
});

await t.test('closing makes appended records durable, and refuses later ones', async (t) => {
  const directory = directoryOf(t);
  const { log } = await openLog(directory);
  const appended = log.append(members(1));
  await log.close();
  await appended;
  t.equal(log.available, false);
  await t.rejects(log.append(members(2)), AuditError);
  t.match(verify(directory), { fault: undefined, records: 2, checkpoints: 1 });
});

await t.test(
  'with many requests in flight, a small group of records waits briefly for more of them',
  async (t) => {
    let underWay = 32;
    const { log } = await openLog(directoryOf(t), { underWay: () => underWay });
    const tick = () => new Promise((resolve) => setImmediate(resolve));
    const first = log.append(members(1));
    await tick();
    await tick();
    const second = log.append(members(2));
    await Promise.all([first, second]);
    t.equal(log.commits, 1, 'a group of two of 32 is large enough, and shares an fdatasync');
    await log.append(members(3));
    t.equal(log.commits, 2, 'a record that no other joins is written after the wait');
    underWay = 16;
    const alone = log.append(members(4));
    await tick();
    await tick();
    const late = log.append(members(5));
    await Promise.all([alone, late]);
    t.equal(log.commits, 4, 'one record of sixteen is large enough a group');
    underWay = 1_000;
    const last = log.append(members(6));
    await log.close();
    await last;
  },
);
