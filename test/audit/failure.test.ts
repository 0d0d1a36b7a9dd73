import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { AuditError } from '../../daemon/audit/audit-log.js';
import { memoryDisk, thinDisk, unavailable } from './disks.js';
import { fileNames, members, openLog, readLog, until, verify } from './support.js';

type Log = Awaited<ReturnType<typeof openLog>>['log'];

const text = 'x'.repeat(2000);

/** Appends four at a time until some fail, and returns the numbers of those that did. */
async function appendUntilFailure(
  log: Log,
  numbers: { next: number },
): Promise<{ failed: number[]; errors: unknown[] }> {
  for (;;) {
    const round = Array.from({ length: 4 }, () => numbers.next++);
    const results = await Promise.allSettled(round.map((number) => log.append(members(number, text))));
    const errors = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason as unknown] : [],
    );
    if (errors.length > 0)
      return { failed: round.filter((_, index) => results[index]?.status === 'rejected'), errors };
  }
}

function eventIds(directory: string): number[] {
  return readLog(directory).flatMap((line) => {
    const id = /event-(\d+)/.exec(line)?.[1];
    return id ? [Number(id)] : [];
  });
}

const upTo = (end: number) => Array.from({ length: end }, (_, index) => index);

await t.test(
  'on a full disk appends fail and later ones are refused; once there is space, pending records come first',
  { skip: unavailable(() => memoryDisk(256)) },
  async (t) => {
    const disk = memoryDisk(256);
    t.teardown(disk.remove);
    const ballast = join(disk.directory, 'ballast');
    writeFileSync(ballast, Buffer.alloc(96 * 1024));
    const directory = join(disk.directory, 'audit');
    const { log, events } = await openLog(directory);

    const numbers = { next: 0 };
    const { failed, errors } = await appendUntilFailure(log, numbers);
    t.same(
      failed,
      upTo(numbers.next).slice(-4),
      'the whole group fails, although some of its lines had room',
    );
    for (const error of errors) t.type(error, AuditError);
    t.equal(log.available, false);
    const durable = log.head.sequence;
    await t.rejects(log.append(members(7777)), AuditError);

    await until(() => events.filter(({ type }) => type === 'failed').length >= 3);
    t.equal(log.available, false, 'the log stays unavailable while retries fail');
    t.equal(log.head.sequence, durable);
    await t.rejects(log.append(members(8888)), AuditError);

    rmSync(ballast);
    await until(() => log.available);
    t.match(events.at(-1), { type: 'recovered', written: failed.length });
    t.equal(log.head.sequence, durable + failed.length);
    await log.append(members(numbers.next++));
    await log.close();
    t.same(
      eventIds(directory),
      upTo(numbers.next),
      'accepted records are in the log once, and refused ones are not',
    );
    t.match(verify(directory), { fault: undefined, chainedOnly: 1 });
  },
);

// The page cache accepts the write, and fdatasync fails.
for (const underWay of [1, 32]) {
  await t.test(
    `after a failed fdatasync nothing counts as durable until it is written again through a new descriptor: ${underWay} in flight`,
    { skip: unavailable(thinDisk) },
    async (t) => {
      const disk = thinDisk();
      t.teardown(disk.remove);
      const directory = join(disk.directory, 'audit');
      const { log, events } = await openLog(directory, { underWay: () => underWay });
      const numbers = { next: 0 };
      while (numbers.next < 40) await log.append(members(numbers.next++));
      const ballast = join(disk.medium, 'ballast');
      t.throws(() => writeFileSync(ballast, Buffer.alloc(2048 * 1024)), { code: 'ENOSPC' });

      const { failed, errors } = await appendUntilFailure(log, numbers);
      t.match(errors[0], { name: 'AuditError', cause: { syscall: 'fdatasync' } });
      const durable = log.head.sequence;
      t.ok(eventIds(directory).length > 0);
      t.equal(log.available, false);
      await t.rejects(log.append(members(7777)), AuditError);

      rmSync(ballast);
      await until(() => log.available);
      t.match(events.at(-1), { type: 'recovered', written: failed.length });
      t.equal(log.head.sequence, durable + failed.length);
      await log.append(members(numbers.next++));
      await log.close();
      t.same(eventIds(directory), upTo(numbers.next));
      t.match(verify(directory), { fault: undefined, chainedOnly: 1 });
    },
  );
}

await t.test(
  'a failure at the start of a new file loses nothing either',
  { skip: unavailable(() => memoryDisk(256)) },
  async (t) => {
    const disk = memoryDisk(256);
    t.teardown(disk.remove);
    const directory = join(disk.directory, 'audit');
    const { log } = await openLog(directory, { maxFileSize: 16 * 1024 });
    const numbers = { next: 0 };
    for (let round = 0; round < 3; round++) {
      const free = numbers.next;
      while (log.head.sequence < free + 9) await log.append(members(numbers.next++, text));
      // One page is left, so that a file of the log can be created but not filled, or vice versa.
      const ballast = join(disk.directory, 'ballast');
      for (let size = 256; size > 0; size -= 4) {
        try {
          writeFileSync(ballast, Buffer.alloc(size * 1024));
          break;
        } catch {
          rmSync(ballast);
        }
      }
      await appendUntilFailure(log, numbers);
      rmSync(ballast);
      await until(() => log.available);
    }
    await log.close();
    t.same(eventIds(directory), upTo(numbers.next));
    const { fault, files } = verify(directory);
    t.equal(fault, undefined);
    t.ok(files > 2);
  },
);

await t.test(
  'closing a log that cannot be written reports lost records, and the next start continues it',
  { skip: unavailable(() => memoryDisk(256)) },
  async (t) => {
    const disk = memoryDisk(256);
    t.teardown(disk.remove);
    const ballast = join(disk.directory, 'ballast');
    writeFileSync(ballast, Buffer.alloc(128 * 1024));
    const directory = join(disk.directory, 'audit');
    const { log } = await openLog(directory);
    await appendUntilFailure(log, { next: 0 });
    const durable = log.head;
    await t.rejects(log.close(), { name: 'AuditError', message: /^4 audit records/ });
    rmSync(ballast);
    const again = await openLog(directory);
    await again.log.append(members(9999));
    await again.log.close();
    t.match(verify(directory, { expectHead: durable }), { fault: undefined, chainedOnly: 1 });
  },
);

await t.test(
  'a file that is missing or was replaced while the log was unavailable is not written to',
  { skip: unavailable(() => memoryDisk(256)) },
  async (t) => {
    const disk = memoryDisk(256);
    t.teardown(disk.remove);
    const directory = join(disk.directory, 'audit');
    const { log, events } = await openLog(directory);
    await appendUntilFailure(log, { next: 0 });
    const file = join(directory, 'audit-00000001.jsonl');
    const forged = readFileSync(file, 'utf8').replaceAll('x', 'y');
    rmSync(file);
    await until(() =>
      events.some((event) => event.type === 'failed' && String(event.error).includes('is missing')),
    );
    t.same(fileNames(directory), []);
    writeFileSync(file, forged);
    await until(() =>
      events.some((event) => event.type === 'failed' && String(event.error).includes('no longer has')),
    );
    t.equal(log.available, false);
    t.equal(readFileSync(file, 'utf8'), forged);
    await t.rejects(log.close(), AuditError);
  },
);
