// keyhold audit archive on a daemon: the rest of the log verifies, starts and reaches sinks; any other missing file is noticed.
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';

const daemon = await TestDaemon.start(t, 'audit:\n  fileBytes: 20000\n');
const to = mkdtempSync(join(tmpdir(), 'kh-archive-'));
t.teardown(() => rmSync(to, { recursive: true }));
const folder = join(daemon.home, 'audit');
const files = () => readdirSync(folder).sort();

/** Events with a name in the remaining files. */
function events(name: string): unknown[] {
  const lines = files().flatMap((file) => readFileSync(join(folder, file), 'utf8').trim().split('\n'));
  return lines
    .map((line) => JSON.parse(line) as { eventName?: string })
    .filter(({ eventName }) => eventName === name);
}

/** Fills more than one file. */
async function fill(): Promise<void> {
  const client = await daemon.connect();
  const { keyId } = (await client.createKey({})).keyMetadata;
  for (let round = 0; round < 100; round++) await client.encrypt({ keyId, plaintext: Buffer.from('text') });
  await client.close();
}

await fill();
const before = files();

await t.test('a running daemon archives its log', async (t) => {
  t.ok(before.length > 3, before.join());
  const archived = await daemon.cli(['audit', 'archive', '--before', '2999-01-01', '--to', to]);
  t.match(archived, { code: 0 });
  const archives = readdirSync(to).sort();
  t.strictSame(
    archived.stdout.trim().split('\n'),
    archives.map((name) => join(to, name)),
  );
  t.ok(archives.length >= before.length - 1, archives.join());
  t.notOk(files().includes(before[0]!));
  t.match(events('ArchiveAuditLog'), [{ requestParameters: { directory: to } }]);
  t.match(events('AuditFilesArchived'), [{ serviceEventDetails: { directory: to } }]);
  t.match(await daemon.admin('audit-verify'), {
    code: 0,
    stdout: /is (whole|intact)[^]*a signed record says[^]*truncation checked/,
  });
  t.match(await daemon.admin('audit-verify', ['--archives', to, '--json']), {
    code: 0,
    stdout: /"firstRecord":1,/,
  });
});

await t.test('invalid requests are refused', async (t) => {
  const archive = (...args: string[]) => daemon.cli(['audit', 'archive', ...args]);
  t.match(await archive('--before', 'yesterday', '--to', to), { code: 2, stderr: /it takes a date/ });
  t.match(await archive('--before', '90d', '--to', join(to, 'nothing')), {
    code: 1,
    stderr: /make it first/,
  });
  t.match(await archive('--before', '90d', '--to', to), {
    code: 0,
    stdout: '',
    stderr: /no file of the log is old enough/,
  });
});

await t.test('the daemon starts with the remaining files, even after a kill', async (t) => {
  await daemon.stop('SIGKILL');
  await daemon.start();
  await fill();
  t.equal(await daemon.stop(), 0);
  t.match(await daemon.admin('audit-verify'), { code: 0, stdout: /truncation checked/ });
});

await t.test(
  'without a daemon nothing is archived, and the command says why; queries read archives',
  async (t) => {
    t.match(await daemon.cli(['audit', 'archive', '--before', '90d', '--to', to]), {
      code: 3,
      stderr: /Archiving needs a running daemon, which records the archived files/,
    });
    const query = (...args: string[]) => daemon.admin('audit-query', ['--event', 'CreateKey', ...args]);
    const count = ({ stdout }: { stdout: string }) => stdout.split('\n').filter(Boolean).length;
    const [own, all] = [await query(), await query('--archives', to)];
    t.match([own.code, all.code], [0, 0]);
    t.ok(count(all) > count(own), `${count(all)} events with the archives, ${count(own)} without`);
    t.equal(
      (await daemon.cli(['audit', 'query', '--event', 'CreateKey', '--archives', to, '--no-index'])).stdout,
      all.stdout,
    );
    t.match(await daemon.cli(['audit', 'query', '--remote', '--archives', to]), {
      code: 2,
      stderr: /log on this machine/,
    });
  },
);

await t.test('the removal of a file without a record is noticed', async (t) => {
  const [first] = files();
  const kept = join(to, 'kept');
  t.ok(files().length > 1, files().join());
  renameSync(join(folder, first!), kept);
  t.match(await daemon.admin('audit-verify'), { code: 1, stdout: /removed: records 1 to \d+ are missing/ });
  renameSync(kept, join(folder, first!));
  t.ok(readFileSync(join(folder, first!)).length > 0);
  t.match(await daemon.admin('audit-verify'), { code: 0 });
});
