// Old files of the log are moved to another folder. The rest of the log verifies from a signed record on. A file removed
// without such a record is noticed.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { archiveFiles } from '../../../daemon/audit/archive/archive.js';
import { archivedEvent } from '../../../daemon/audit/archive/archived-files.js';
import { makeServiceEvent } from '../../../daemon/audit/event.js';
import { beginning } from '../../../daemon/audit/sinks/position.js';
import { RecordReader } from '../../../daemon/audit/sinks/record-reader.js';
import type { FileAuditLog } from '../../../daemon/audit/open.js';
import { fileNames, keyEnvironment, members, openLog, verify } from '../support.js';
import { memoryDisk, unavailable } from '../disks.js';
import { archivable, fileSize } from './support.js';

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
  t.strictSame(await archiveFiles(archivable(directory, log), to, old), [], 'a second run has nothing to do');

  await t.test('a new sink begins after the archived files', async (t) => {
    const reader = new RecordReader(directory, beginning);
    const batch = await reader.next(log.head.sequence);
    t.equal(batch?.records[0]?.sequence, last.lastSequence + 1);
    await reader.close();
  });

  await t.test('the removal of another file is noticed', (t) => {
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

  await t.test('the removal or change of an archive is noticed', (t) => {
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

void t.test('the removal of a file without a record is noticed', async (t) => {
  const { directory, log } = await begin(t);
  await fill(log, 60);
  await log.close();
  rmSync(join(directory, fileNames(directory)[0]!));
  t.match(verify(directory), { fault: { kind: 'removed', sequence: 1 } });
});

void t.test('the record counts only if a checkpoint signs it', async (t) => {
  const { directory, to, log } = await begin(t, { checkpointRecords: 1e6 });
  await fill(log, 60);
  // An attacker who can write the files, but not sign, appends a chained record after the newest checkpoint.
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
  t.strictSame(fileNames(directory), names, 'copies may exist, but nothing is deleted');
  const whole = archivable(directory, log);
  const afterRecord = archivable(directory, log, {
    record: async (...args) => {
      await whole.record(...args);
      throw new Error('interrupted');
    },
  });
  await t.rejects(archiveFiles(afterRecord, to, old), { message: 'interrupted' });
  t.equal(verify(directory).fault, undefined);
  // An interruption between two deletions.
  rmSync(join(directory, names[0]!));
  t.equal(verify(directory).fault, undefined);
  t.ok((await archiveFiles(whole, to, old)).length > 0);
  t.equal(verify(directory).fault, undefined);
  t.match(verify(directory, { archives: to }), { fault: undefined, firstRecord: 1 });
});

void t.test('files that are not delivered or too new, or whose archive exists, stay', async (t) => {
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

void t.test(
  'kill -9 at each step loses nothing, and the next run finishes',
  { timeout: 300_000 },
  async (t) => {
    const { directory, log } = await begin(t, { checkpointRecords: 1e6 });
    await fill(log, 25);
    await fill(log, 5, 2027);
    await log.close();
    const program = fileURLToPath(new URL('killed-archiver.js', import.meta.url));
    const work = mkdtempSync(join(tmpdir(), 'kh-killed-'));
    t.teardown(() => rmSync(work, { recursive: true }));
    let [step, kills] = [0, 0];
    for (let isDone = false; !isDone;) {
      step += 1;
      const [own, to] = [join(work, `log${step}`), join(work, `to${step}`)];
      cpSync(directory, own, { recursive: true });
      mkdirSync(to);
      const run = (at: number) =>
        spawnSync(process.execPath, [program, own, to, String(at), String(old)], {
          env: { ...process.env, ...keyEnvironment },
          encoding: 'utf8',
        });
      const { signal, stdout, stderr } = run(step);
      isDone = stdout === 'done\n';
      if (!isDone) {
        t.equal(signal, 'SIGKILL', `step ${step} ${stderr}`);
        kills += 1;
        // A start cuts off an incomplete last line; whatever else is there must verify.
        const reopened = await openLog(own, fileSize);
        await reopened.log.append(members(1));
        await reopened.log.close();
        t.equal(verify(own).fault, undefined, `step ${step}`);
        t.match(
          verify(own, { archives: to }),
          { fault: undefined, firstRecord: 1 },
          `step ${step}, with archives`,
        );
        t.match(run(0), { stdout: 'done\n' }, `step ${step}, again`);
      }
      t.match(verify(own), { fault: undefined });
      t.ok(verify(own).firstRecord > 1);
      t.match(verify(own, { archives: to }), { fault: undefined, firstRecord: 1 });
      t.same(
        readdirSync(to).filter((name) => !name.endsWith('.gz') && !name.endsWith('.new')),
        [],
      );
      rmSync(own, { recursive: true });
      rmSync(to, { recursive: true });
    }
    t.ok(kills >= 10, `${kills} kills`);
  },
);

void t.test(
  'on a full disk nothing is deleted, and the message says what to do',
  { skip: unavailable(() => memoryDisk(64)) },
  async (t) => {
    const { directory, log } = await begin(t, { checkpointRecords: 1e6 });
    for (let number = 0; number < 60; number++)
      await log.append(
        `"eventTime":"2025-01-01T00:00:00Z",${members(number, randomBytes(2_000).toString('hex'))}`,
      );
    const names = fileNames(directory);
    const disk = memoryDisk(40);
    t.teardown(() => disk.remove());
    await t.rejects(archiveFiles(archivable(directory, log), disk.directory, old), {
      code: 'not-written',
      message: /could not be written \(ENOSPC\).*make room/,
    });
    t.same(fileNames(directory), names);
    t.same(
      readdirSync(disk.directory).filter((name) => !name.endsWith('.gz')),
      [],
      'nothing is half there',
    );
    t.equal(verify(directory).fault, undefined);
    const larger = memoryDisk(4_096);
    t.teardown(() => larger.remove());
    t.ok((await archiveFiles(archivable(directory, log), larger.directory, old)).length > 5);
    t.match(verify(directory, { archives: larger.directory }), { fault: undefined, firstRecord: 1 });
  },
);
