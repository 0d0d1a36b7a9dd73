// An index narrows what a query reads, and never changes what it finds.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { encodeIndex, FileIndex, indexPath } from '../../../daemon/audit/query/file-index.js';
import { type Filter, filterSpecs } from '../../../daemon/audit/query/filters.js';
import { indexFiles, Indexer } from '../../../daemon/audit/query/indexer.js';
import { AuditReader, type LogPosition } from '../../../daemon/audit/query/newest.js';
import { query } from '../../../daemon/audit/query/query.js';
import { until } from '../support.js';

const account = '000000000000';
const start = Date.parse('2026-01-01T00:00:00Z') / 1000;
const keyOf = (number: number) => `${String(number).padStart(8, '0')}-0000-4000-8000-000000000000`;
const timeOf = (seconds: number) => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;

function line(sequence: number): string {
  const name = sequence % 5000 === 0 ? 'a "q" – ü' : `user${sequence % 7}`;
  return JSON.stringify({
    sequence,
    previous: '0'.repeat(64),
    userIdentity: { type: 'IAMUser', arn: `arn:aws:iam::${account}:user/${name}`, userName: name },
    eventTime: timeOf(start + sequence),
    eventName: sequence % 3 === 0 ? 'Decrypt' : 'Encrypt',
    errorCode: sequence % 4001 === 0 ? 'AccessDeniedException' : undefined,
    requestParameters: sequence % 2500 === 0 ? { keyId: 'alias/rare' } : { text: 'x'.repeat(sequence % 900) },
    serviceEventDetails: sequence % 6000 === 0 ? { accessKeyIds: ['AKIAOLD', 'AKIARARE'] } : undefined,
    resources: [{ ARN: `arn:aws:kms:us-east-1:${account}:key/${keyOf(Math.floor(sequence / 100))}` }],
  });
}

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const signedBy = (key: KeyObject) => (message: Buffer) => Promise.resolve(sign('sha256', message, key));

/** A log of five files and 20,000 records, whose last two lines of a closed file are odd. */
function makeLog(folder: string) {
  const directory = join(folder, 'audit');
  const indexes = { folder: join(folder, 'audit-index'), publicKey };
  mkdirSync(directory);
  let sequence = 0;
  for (const file of [1, 2, 3, 4, 5]) {
    const lines = Array.from({ length: 4000 }, () => `${line(++sequence)}\n`);
    if (file === 2) lines.push(`{"text":"${'y'.repeat(300_000)}"}\n`);
    writeFileSync(join(directory, `audit-0000000${file}.jsonl`), lines.join(''));
  }
  return { directory, indexes, sign: signedBy(privateKey) };
}

/** Filters, and how many of their lines were looked at. */
function filtersOf(args: Readonly<Record<string, string>>) {
  const counted = { lines: 0 };
  const filters = Object.entries(args).map(([name, argument], at): Filter => {
    const filter = filterSpecs[name]!.parse(argument, 0);
    if (typeof filter === 'string') throw new Error(filter);
    return {
      ...filter,
      mayPass: (line) => {
        if (at === 0) counted.lines += 1;
        return filter.mayPass?.(line) ?? true;
      },
    };
  });
  return { filters, counted };
}

const cases: readonly (readonly [args: Readonly<Record<string, string>>, isNarrow: boolean])[] = [
  [{ key: keyOf(33) }, true],
  [{ key: `arn:aws:kms:us-east-1:${account}:key/${keyOf(77)}` }, true],
  [{ key: 'alias/rare' }, true],
  [{ key: keyOf(999_999) }, true],
  [{ principal: 'a "q" – ü' }, true],
  [{ principal: 'user/a "q" – ü' }, true],
  [{ principal: `arn:aws:iam::${account}:user/a "q" – ü` }, true],
  [{ principal: 'AKIARARE' }, true],
  [{ principal: 'root' }, true],
  [{ principal: 'user/user3' }, false],
  [{ event: 'Decrypt' }, false],
  [{ event: 'DeleteKey' }, true],
  [{ error: 'AccessDeniedException' }, true],
  [{ outcome: 'failure' }, true],
  [{ outcome: 'success', since: timeOf(start + 16_500) }, true],
  [{ since: timeOf(start + 3_990), until: timeOf(start + 4_010) }, true],
  [{ until: timeOf(start + 10) }, true],
  [{ event: 'Decrypt', key: keyOf(120) }, true],
];

await t.test('with an index a query finds the same and reads less', async (t) => {
  const log = makeLog(t.testdir());
  await indexFiles(log, () => Promise.resolve());
  t.equal(readdirSync(log.indexes.folder).length, 4, 'the newest file has no index');
  for (const [args, isNarrow] of cases) {
    const name = JSON.stringify(args);
    const run = (indexes: typeof log.indexes | undefined) => {
      const { filters, counted } = filtersOf(args);
      const odd: number[] = [];
      const matches = query({ ...log, indexes }, filters, ({ number }) => odd.push(number));
      // A line is valid until the next one.
      const lines = Array.from(matches, ({ line }) => line.toString());
      return { lines, odd, read: counted.lines };
    };
    const [with_, without] = [run(log.indexes), run(undefined)];
    t.equal(with_.lines.join() === without.lines.join(), true, name);
    t.same(without.read, 20_001, name);
    // The newest file is read as a whole: 4,000 lines.
    if (isNarrow) t.ok(with_.read < 6_500, `${name}: ${with_.read} of 20,001 lines were read`);

    const backwards = async (indexes: typeof log.indexes | undefined) => {
      const reader = new AuditReader(log.directory, indexes);
      const { filters, counted } = filtersOf(args);
      const lines: string[] = [];
      let from: LogPosition | undefined;
      do {
        const page = await reader.newest(filters, from, 150);
        lines.push(...page.lines);
        from = page.next;
      } while (from);
      return { lines: lines.reverse(), read: counted.lines };
    };
    const paged = await backwards(log.indexes);
    t.equal(paged.lines.join() === without.lines.join(), true, `${name}, newest first`);
    if (isNarrow) t.ok(paged.read < 6_500, `${name}: ${paged.read} lines were read`);
  }
});

await t.test('a damaged index, or one of another file, is not used and is made again', async (t) => {
  const log = makeLog(t.testdir());
  const again = () => indexFiles(log, () => Promise.resolve());
  await again();
  const [file, path] = [join(log.directory, 'audit-00000001.jsonl'), indexPath(log.indexes.folder, 1)];
  const good = readFileSync(path);
  const find = () => {
    const { filters } = filtersOf({ key: keyOf(5) });
    return [...query(log, filters, () => undefined)].length;
  };
  t.equal(find(), 100);
  const emptied = Buffer.from(good);
  emptied.fill(0, 60, good.length - 80);
  // Whoever can write the home makes an index in which nothing is.
  const { privateKey: another } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { size, mtimeMs } = statSync(file);
  const forged = await encodeIndex({ number: 1, size, mtimeMs }, [], signedBy(another));
  const ofAnotherFile = readFileSync(indexPath(log.indexes.folder, 2));
  for (const bytes of [
    Buffer.alloc(0),
    emptied,
    forged,
    ofAnotherFile,
    good.subarray(0, -1),
    Buffer.concat([good, good]),
    Buffer.alloc(9999),
  ]) {
    writeFileSync(path, bytes);
    t.equal(find(), 100);
    await again();
    t.ok(FileIndex.loadSync(log.indexes, 1, statSync(file)));
  }
  // The file is changed: records are added, or it has another time.
  appendFileSync(file, `${line(1_000_500)}\n${line(500)}\n`);
  t.equal(find(), 101);
  await again();
  t.equal(find(), 101);
  utimesSync(file, 1, 1);
  t.equal(FileIndex.loadSync(log.indexes, 1, statSync(file)), undefined);
  t.equal(find(), 101);
  writeFileSync(join(log.indexes.folder, 'audit-00000009.jsonl.index'), 'of a file that is gone');
  await again();
  t.same(
    readdirSync(log.indexes.folder).sort(),
    [1, 2, 3, 4].map((n) => `audit-0000000${n}.jsonl.index`),
  );
});

await t.test('the indexer works while requests are served, and ends at once', async (t) => {
  const log = makeLog(t.testdir());
  const failures: unknown[] = [];
  const environment = { ...log, failed: (error: unknown) => failures.push(error) };
  const busy = new Indexer({ ...environment, isBusy: () => true });
  await new Promise((done) => setTimeout(done, 50));
  await busy.close();
  t.same(readdirSync(log.indexes.folder), [], 'an unfinished index leaves no file');
  const idle = new Indexer({ ...environment, isBusy: () => false });
  await until(() => readdirSync(log.indexes.folder).filter((name) => name.endsWith('.index')).length === 4);
  await idle.close();
  t.same(failures, []);
});
