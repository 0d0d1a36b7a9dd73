// Old files of the log are moved to another folder. The rest is verified from a signed record on; a file that is removed
// without such a record is noticed.
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { type ArchivableLog, archiveFiles } from '../../../daemon/audit/archive/archive.js';
import { archivedEvent } from '../../../daemon/audit/archive/archived-files.js';
import { makeServiceEvent } from '../../../daemon/audit/event.js';
import { beginning } from '../../../daemon/audit/sinks/position.js';
import { RecordReader } from '../../../daemon/audit/sinks/record-reader.js';
import type { FileAuditLog } from '../../../daemon/audit/open.js';
import { fileNames, members, openLog, verify } from '../support.js';

const old = Date.parse('2026-01-01T00:00:00Z') / 1000;
const dated = (number: number, year = 2025) =>
  `"eventTime":"${year}-01-01T00:00:00Z",${members(number, 'x'.repeat(400))}`;

/** A log of several files, whose first records are of 2025, and a folder for archives. */
async function begin(t: Tap, { checkpointRecords = 10 } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'kh-log-'));
  const to = mkdtempSync(join(tmpdir(), 'kh-archive-'));
  // A checkpoint has the current time, so the files to be archived have none.
  const { log } = await openLog(directory, { maxFileSize: 4096, checkpointRecords, checkpointInterval: 1e9 });
  t.teardown(async () => {
    await log.close().catch(() => undefined);
    for (const folder of [directory, to]) rmSync(folder, { recursive: true });
  });
  return { directory, to, log };
}
interface Tap {
  teardown(action: () => unknown): unknown;
}

async function fill(log: FileAuditLog, count: number, year?: number): Promise<void> {
  for (let number = 0; number < count; number++) await log.append(dated(number, year));
}

function archivable(directory: string, log: FileAuditLog, more: Partial<ArchivableLog> = {}): ArchivableLog {
  return {
    directory,
    durable: () => log.head.sequence,
    delivered: () => ({}),
    record: async (folder, files) => {
      await log.append(
        makeServiceEvent(archivedEvent, '0'.repeat(12), 'us-east-1', { directory: folder, files }).members,
      );
      await log.cover(log.head.sequence);
    },
    ...more,
  };
}

void t.test('files are archived, and the log verifies with and without them', async (t) => {
  const { directory, to, log } = await begin(t, { checkpointRecords: 1e6 });
  await fill(log, 60);
  await fill(log, 5, 2027);
  const before = new Map(fileNames(directory).map((name) => [name, readFileSync(join(directory, name))]));
  const archived = await archiveFiles(archivable(directory, log), to, old);
  t.ok(archived.length >= 4, `${archived.length} files`);
  for (const { file, archive } of archived) {
    t.notOk(existsSync(join(directory, file)));
    t.strictSame(gunzipSync(readFileSync(join(to, archive))), before.get(file));
  }
  t.strictSame(
    readdirSync(to).sort(),
    archived.map(({ archive }) => archive),
  );
  const last = archived.at(-1)!;
  t.match(verify(directory), { fault: undefined, firstRecord: last.lastSequence + 1 });
  t.match(verify(directory, { archives: to }), { fault: undefined, firstRecord: 1 });
  t.strictSame(await archiveFiles(archivable(directory, log), to, old), [], 'again: nothing is left to do');

  await t.test('a new sink begins after them', async (t) => {
    const reader = new RecordReader(directory, beginning);
    const batch = await reader.next(log.head.sequence);
    t.equal(batch?.records[0]?.sequence, last.lastSequence + 1);
    await reader.close();
  });

  await t.test('another file that is removed is noticed', (t) => {
    const [first, second] = fileNames(directory);
    const bytes = readFileSync(join(directory, first!));
    rmSync(join(directory, first!));
    t.match(verify(directory), {
      fault: { kind: 'removed', reason: /no signed record says that they were archived/ },
    });
    writeFileSync(join(directory, first!), bytes);
    t.ok(second);
    t.equal(verify(directory).fault, undefined);
    t.end();
  });

  await t.test('an archive that is removed or changed is noticed', (t) => {
    const { archive } = archived[1]!;
    const bytes = readFileSync(join(to, archive));
    rmSync(join(to, archive));
    t.match(verify(directory, { archives: to }), {
      fault: { kind: 'removed', reason: /is missing, although later files/ },
    });
    copyFileSync(join(to, archived[0]!.archive), join(to, archive));
    t.ok(verify(directory, { archives: to }).fault);
    writeFileSync(join(to, archive), bytes);
    t.equal(verify(directory, { archives: to }).fault, undefined);
    t.end();
  });
});

void t.test('a file that is removed without a record is noticed', async (t) => {
  const { directory, log } = await begin(t);
  await fill(log, 60);
  await log.close();
  rmSync(join(directory, fileNames(directory)[0]!));
  t.match(verify(directory), { fault: { kind: 'removed', sequence: 1 } });
});

void t.test('the record counts only if a checkpoint signs it', async (t) => {
  const { directory, to, log } = await begin(t, { checkpointRecords: 1e6 });
  await fill(log, 60);
  // An attacker who can write the files, but not sign, chains a record behind the newest checkpoint.
  const forging = archivable(directory, log, {
    record: async (folder, files) => {
      await log.append(
        makeServiceEvent(archivedEvent, '0'.repeat(12), 'us-east-1', { directory: folder, files }).members,
      );
    },
  });
  t.ok((await archiveFiles(forging, to, old)).length > 0);
  t.match(verify(directory), { fault: { kind: 'removed' } });
});

void t.test('an interruption at any step loses nothing, and the next run finishes', async (t) => {
  const { directory, to, log } = await begin(t, { checkpointRecords: 1e6 });
  await fill(log, 60);
  const names = fileNames(directory);
  const failing = archivable(directory, log, { record: () => Promise.reject(new Error('interrupted')) });
  await t.rejects(archiveFiles(failing, to, old), { message: 'interrupted' });
  t.strictSame(fileNames(directory), names, 'copies were made, nothing was deleted');
  const whole = archivable(directory, log);
  const afterRecord = archivable(directory, log, {
    record: async (...args) => {
      await whole.record(...args);
      throw new Error('interrupted');
    },
  });
  await t.rejects(archiveFiles(afterRecord, to, old), { message: 'interrupted' });
  t.equal(verify(directory).fault, undefined);
  // Between two deletions.
  rmSync(join(directory, names[0]!));
  t.equal(verify(directory).fault, undefined);
  t.ok((await archiveFiles(whole, to, old)).length > 0);
  t.equal(verify(directory).fault, undefined);
  t.match(verify(directory, { archives: to }), { fault: undefined, firstRecord: 1 });
});

void t.test('files that are not delivered, too new, or whose archive exists stay', async (t) => {
  const { directory, to, log } = await begin(t, { checkpointRecords: 1e6 });
  await fill(log, 60);
  const names = fileNames(directory);
  const behind = archivable(directory, log, { delivered: () => ({ siem: 3 }) });
  await t.rejects(archiveFiles(behind, to, old), {
    code: 'not-yet',
    message: /The audit sink siem has delivered/,
  });
  t.strictSame(await archiveFiles(archivable(directory, log), to, old - 366 * 24 * 3600), []);
  await t.rejects(archiveFiles(archivable(directory, log), join(to, 'nothing'), old), { code: 'no-folder' });
  await t.rejects(archiveFiles(archivable(directory, log), directory, old), { code: 'no-folder' });
  writeFileSync(join(to, `${names[0]}.gz`), 'another file');
  await t.rejects(archiveFiles(archivable(directory, log), to, old), {
    code: 'not-written',
    message: /was there already/,
  });
  t.strictSame(fileNames(directory), names);
  t.equal(readFileSync(join(to, `${names[0]}.gz`), 'utf8'), 'another file');
});
