import { truncateSync, appendFileSync, readFileSync, writeFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { AuditError } from '../../daemon/audit/audit-log.js';
import { fileNames, members, openLog, readLog, verify } from './support.js';

async function writtenLog(directory: string, maxFileSize?: number): Promise<Buffer> {
  const { log } = await openLog(directory, { maxFileSize });
  for (let index = 0; index < 4; index++) await log.append(members(index));
  await log.close();
  return readFileSync(join(directory, 'audit-00000001.jsonl'));
}

await t.test(
  'opening a log truncated anywhere in its last line repairs it and records the repair',
  async (t) => {
    const directory = t.testdir();
    const file = join(directory, 'audit-00000001.jsonl');
    const whole = await writtenLog(directory);
    const lastLine = whole.lastIndexOf(0x0a, whole.length - 2) + 1;
    for (let length = lastLine + 1; length < whole.length; length++) {
      writeFileSync(file, whole.subarray(0, length));
      const { log, events } = await openLog(directory);
      const torn = { file: 'audit-00000001.jsonl', offset: lastLine, length: length - lastLine };
      t.match(events, [{ type: 'repaired', torn }]);
      await log.append(members(9));
      await log.close();
      const { fault, records } = verify(directory);
      t.equal(fault, undefined);
      t.equal(records, 7);
      const repair = JSON.parse(readLog(directory)[4] ?? '') as object;
      t.match(repair, {
        sequence: 5,
        eventName: 'AuditLogRepaired',
        userIdentity: { type: 'AWSService' },
        serviceEventDetails: { file: torn.file, offset: torn.offset, removedBytes: torn.length },
      });
    }
  },
);

await t.test('an incomplete first line leaves an empty log', async (t) => {
  const directory = t.testdir({ 'audit-00000001.jsonl': '{"sequence":1,"prev' });
  const { log } = await openLog(directory);
  t.equal(log.head.sequence, 1);
  await log.close();
  t.match(verify(directory), { fault: undefined, records: 2 });
});

await t.test(
  'a new file that a crash left empty or torn continues the chain of the one before',
  async (t) => {
    for (const content of ['', '{"sequence":6', '\0'.repeat(5000)]) {
      const directory = join(t.testdir(), 'audit');
      await writtenLog(directory);
      writeFileSync(join(directory, 'audit-00000002.jsonl'), content);
      const { log } = await openLog(directory);
      await log.append(members(9));
      await log.close();
      t.equal(fileNames(directory).length, 2);
      t.match(verify(directory), { fault: undefined, records: content ? 8 : 7 });
    }
  },
);

await t.test('a complete last line that is not a record is refused', async (t) => {
  const directory = t.testdir();
  const file = join(directory, 'audit-00000001.jsonl');
  const { length } = await writtenLog(directory);
  for (const line of ['', 'a note', '{"sequence":6}', `{"sequence":6,"previous":"${'0'.repeat(64)}",`]) {
    truncateSync(file, length);
    appendFileSync(file, line + '\n');
    await t.rejects(openLog(directory), AuditError, line);
    t.equal(readFileSync(file).length, length + line.length + 1, 'nothing is cut off');
  }
});

await t.test('an older file that does not end in a whole record is refused', async (t) => {
  const directory = t.testdir();
  const { length } = await writtenLog(directory);
  writeFileSync(join(directory, 'audit-00000002.jsonl'), '');
  truncateSync(join(directory, 'audit-00000001.jsonl'), length - 1);
  await t.rejects(openLog(directory), AuditError);
});

await t.test('a file of the log that is a symbolic link is refused', async (t) => {
  const directory = join(t.testdir(), 'audit');
  mkdirSync(directory);
  symlinkSync('../elsewhere', join(directory, 'audit-00000001.jsonl'));
  await t.rejects(openLog(directory), { code: 'ELOOP' });
});

await t.test('other files in the directory are not part of the log', async (t) => {
  const directory = t.testdir({ 'audit-00000009.jsonl.bak': 'x', 'audit-9.jsonl': 'x', notes: 'x' });
  await writtenLog(directory);
  t.match(verify(directory), { fault: undefined, files: 1, records: 5 });
});
