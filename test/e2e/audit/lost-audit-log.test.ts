// An audit log that was truncated, emptied, replaced or deleted while the daemon was stopped: start and verify notice it,
// and `keyhold recover audit` continues the log and records the loss.
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { chainAnew } from '../../audit/support.js';
import { TestDaemon } from '../../support/daemon.js';

const daemon = await TestDaemon.initialise();
t.teardown(() => daemon.remove());
const folder = join(daemon.home, 'audit');
const file = join(folder, 'audit-00000001.jsonl');
const [older, whole] = [join(daemon.home, 'older'), join(daemon.home, 'whole')];

/** Starts the daemon, creates a key, and stops or kills the daemon. */
async function useIt(signal: NodeJS.Signals): Promise<void> {
  await daemon.start();
  const client = await daemon.connect();
  const { keyMetadata } = await client.createKey({});
  await client.encrypt({ keyId: keyMetadata.keyId, plaintext: Buffer.from('text') });
  await client.close();
  await daemon.stop(signal);
}

await useIt('SIGTERM');
cpSync(folder, older, { recursive: true });
await useIt('SIGTERM');

const lines = () => readFileSync(file, 'utf8').trimEnd().split('\n');
const write = (kept: readonly string[]) => writeFileSync(file, kept.map((line) => `${line}\n`).join(''));

const losses: Record<string, { lose: () => void; start: RegExp; verify: RegExp }> = {
  'without its last record': {
    lose: () => write(lines().slice(0, -1)),
    start: /It ends with record \d+, although record \d+ was durable: at least 1 records were cut off/,
    verify: /truncated: the daemon has written \d+ records/,
  },
  'of no file': { lose: () => rmSync(file), start: /It has no record/, verify: /truncated/ },
  'whose folder is gone': {
    lose: () => rmSync(folder, { recursive: true }),
    start: /It has no record/,
    verify: /there is no audit log in .*: name the home/,
  },
  'that an older copy took the place of': {
    lose() {
      rmSync(folder, { recursive: true });
      cpSync(older, folder, { recursive: true });
    },
    start: /cut off/,
    verify: /truncated/,
  },
  'that was chained anew after an edit': {
    lose: () => write(chainAnew(lines().map((line) => line.replace('"CreateKey"', '"ListKeys"')))),
    start: /Its record \d+ is not the one that the daemon wrote/,
    verify: /changed/,
  },
};

cpSync(folder, whole, { recursive: true });
for (const [what, { lose, start, verify }] of Object.entries(losses)) {
  await t.test(`a log ${what} is found by start and verify`, async (t) => {
    lose();
    await t.rejects(daemon.start(), { message: start });
    t.match(daemon.stderr, /keyhold recover audit/);
    const verified = await daemon.admin('audit-verify');
    t.match(verified.stdout + verified.stderr, verify);
    t.not(verified.code, 0);
    rmSync(folder, { recursive: true, force: true });
    cpSync(whole, folder, { recursive: true });
  });
}

await t.test('a complete log is verified to its end without a daemon', async (t) => {
  t.match(await daemon.admin('audit-verify'), { code: 0, stdout: /is whole[^]*truncation checked/ });
  t.match(await daemon.admin('recover-audit'), { code: 0, stdout: /nothing to recover/ });
});

await t.test('after a kill the log may be newer than the store', async (t) => {
  await useIt('SIGKILL');
  t.match(await daemon.admin('audit-verify'), { stdout: /is whole[^]*truncation checked/ });
  await daemon.start();
  t.equal(await daemon.stop(), 0);
});

await t.test('a truncated log continues, with its loss recorded', async (t) => {
  const before = lines();
  write(before.slice(0, -3));
  t.match(await daemon.admin('recover-audit'), {
    code: 1,
    stdout: /at least 3 records were cut off[^]*Nothing was changed/,
  });
  await t.rejects(daemon.start(), { message: /keyhold recover audit/ });
  t.match(await daemon.admin('recover-audit', ['--accept-loss', '--yes']), {
    code: 0,
    stdout: /loss is recorded/,
  });
  const [event] = daemon.events('RecoverAudit');
  t.match(event, {
    sequence: before.length - 2,
    serviceEventDetails: { found: 'cut', expected: { sequence: before.length } },
  });
  await daemon.start();
  t.match(await daemon.admin('audit-verify'), { code: 0 });
  t.equal(await daemon.stop(), 0);
  t.match(await daemon.admin('audit-verify'), { code: 0, stdout: /truncation checked/ });
});

await t.test('a deleted log begins again, with its loss recorded', async (t) => {
  rmSync(folder, { recursive: true });
  await t.rejects(daemon.start(), { message: /It has no record[^]*keyhold recover audit/ });
  t.match(await daemon.admin('recover-audit', ['--accept-loss', '--yes']), { code: 0 });
  t.match(daemon.auditRecords()[0], {
    sequence: 1,
    eventName: 'RecoverAudit',
    serviceEventDetails: { found: 'gone' },
  });
  await daemon.start();
  t.equal(await daemon.stop(), 0);
  t.match(await daemon.admin('audit-verify'), { code: 0, stdout: /truncation checked/ });
});

await t.test('a log that cannot be continued is set aside', async (t) => {
  writeFileSync(file, 'no record\n', { flag: 'a' });
  await t.rejects(daemon.start(), { message: /not a record/ });
  t.match(await daemon.admin('recover-audit'), { code: 1, stdout: /cannot be continued/ });
  const { code, stdout } = await daemon.admin('recover-audit', ['--accept-loss', '--yes']);
  t.equal(code, 0);
  const aside = /audit-set-aside-[\w-]+/.exec(stdout)![0];
  t.match(
    readFileSync(join(daemon.home, aside, 'audit-00000001.jsonl'), 'utf8'),
    /"RecoverAudit"[^]*no record\n$/,
  );
  t.match(daemon.auditRecords()[0], { eventName: 'RecoverAudit', serviceEventDetails: { setAside: aside } });
  await daemon.start();
  t.equal(await daemon.stop(), 0);
  t.match(await daemon.admin('audit-verify'), { code: 0, stdout: /truncation checked/ });
});

await t.test('accepting an older store does not accept a truncated log', async (t) => {
  const metadata = join(daemon.home, 'metadata');
  cpSync(metadata, `${metadata}.old`, { recursive: true });
  await useIt('SIGTERM');
  renameSync(metadata, `${metadata}.new`);
  renameSync(`${metadata}.old`, metadata);
  write(lines().slice(0, -2));
  t.match(await daemon.admin('recover-audit'), { code: 1, stderr: /keyhold recover store/ });
  t.match(await daemon.admin('recover-store', ['--accept-older-store', '--yes']), { code: 0 });
  await t.rejects(daemon.start(), { message: /keyhold recover audit/ });
  t.match(await daemon.admin('recover-audit', ['--accept-loss', '--yes']), { code: 0 });
  await daemon.start();
  t.equal(await daemon.stop(), 0);
});
