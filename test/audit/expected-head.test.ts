import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { recordHash } from '../../daemon/audit/chain.js';
import { canBeContinued, findHeadMismatch, lastRecord } from '../../daemon/audit/expected-head.js';
import { chainAnew, fileNames, members, openLog, readLog, writeLog } from './support.js';

const linkOf = (lines: readonly string[], sequence: number) => ({
  sequence,
  hash: recordHash(lines[sequence - 1]!),
});

await t.test('a log that contains the record, and continues after it, is accepted', async (t) => {
  const directory = join(t.testdir(), 'audit');
  const { log } = await openLog(directory, { maxFileSize: 1000 });
  for (let number = 0; number < 20; number++) await log.append(members(number));
  await log.close();
  const lines = readLog(directory);
  for (let sequence = 1; sequence <= lines.length; sequence++)
    t.equal(findHeadMismatch(directory, linkOf(lines, sequence)), undefined);
  t.equal(findHeadMismatch(directory, { sequence: 0, hash: '' }), undefined);
  t.same(lastRecord(directory), linkOf(lines, lines.length));
  const [first, ...others] = fileNames(directory);
  const inFirst = readFileSync(join(directory, first!), 'utf8').trimEnd().split('\n').length;
  rmSync(join(directory, first!));
  t.equal(findHeadMismatch(directory, linkOf(lines, inFirst)), undefined, 'older files may be moved away');
  t.equal(findHeadMismatch(directory, linkOf(lines, lines.length)), undefined);
  for (const name of others) truncateSync(join(directory, name));
  t.match(findHeadMismatch(directory, linkOf(lines, lines.length)), { kind: 'gone', last: { sequence: 0 } });
});

await t.test('another log is distinguished from one that was truncated or emptied', async (t) => {
  const folder = t.testdir();
  const directory = join(folder, 'audit');
  const { log } = await openLog(directory);
  for (let number = 0; number < 20; number++) await log.append(members(number));
  await log.close();
  const lines = readLog(directory);
  const end = linkOf(lines, lines.length);
  const file = join(directory, 'audit-00000001.jsonl');
  const cases: Record<string, [change: () => void, found: object]> = {
    'cut after a record': [
      () => writeLog(directory, lines.slice(0, 5)),
      { kind: 'cut', last: { sequence: 5 } },
    ],
    'cut within a record': [
      () => truncateSync(file, readFileSync(file).length - 20),
      { kind: 'cut', last: { sequence: lines.length - 1 } },
    ],
    emptied: [() => truncateSync(file), { kind: 'gone' }],
    'full of zeros': [() => writeFileSync(file, Buffer.alloc(5000)), { kind: 'gone' }],
    'without its file': [() => rmSync(file), { kind: 'gone' }],
    'without its folder': [() => rmSync(directory, { recursive: true }), { kind: 'gone' }],
    'chained anew': [
      () => writeLog(directory, chainAnew(lines.map((line) => line.replace('event-3', 'event-4')))),
      { kind: 'another' },
    ],
    'with another record at its end': [
      () => writeLog(directory, [...lines.slice(0, -1), chainAnew(lines.slice(0, 1))[0]!]),
      { kind: 'cut' },
    ],
    'longer, with another record in its place': [
      () => writeLog(directory, chainAnew([...lines.slice(1), ...lines.slice(1)])),
      { kind: 'another' },
    ],
  };
  cpSync(directory, join(folder, 'whole'), { recursive: true });
  for (const [name, [change, found]] of Object.entries(cases)) {
    change();
    t.match(findHeadMismatch(directory, end), found, name);
    rmSync(directory, { recursive: true, force: true });
    cpSync(join(folder, 'whole'), directory, { recursive: true });
  }
  t.equal(findHeadMismatch(directory, end), undefined);
  t.equal(canBeContinued(directory), true);
  writeFileSync(file, 'no record\n', { flag: 'a' });
  t.equal(canBeContinued(directory), false);
});
