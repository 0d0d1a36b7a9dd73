// The daemon's log: a line at the start, an optional access log, priorities for the journal, no banner.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkout } from '../../support/paths.js';
import { TestDaemon } from '../../support/daemon.js';

type Line = Record<string, unknown>;

const linesOf = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);

const requestsOf = (daemon: TestDaemon) => linesOf(daemon.stderr).filter(({ msg }) => msg === 'request');

/** Waits until the log has a number of lines about requests. */
async function waitForRequests(daemon: TestDaemon, count: number): Promise<Line[]> {
  while (requestsOf(daemon).length < count) await new Promise((done) => setTimeout(done, 20));
  return requestsOf(daemon);
}

void t.test('the log begins with version and listeners, and has requests if configured', async (t) => {
  const daemon = await TestDaemon.start(t);
  t.match(daemon.stdout, /^ready unix:\S+ wss:\/\/\S+\/\n$/, 'a pipe gets no banner');
  const begins = () => linesOf(daemon.stderr).find(({ msg }) => msg === 'Keyhold is ready');
  while (!begins()) await new Promise((done) => setTimeout(done, 20));
  const version = (JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as Line).version;
  const listeners = { unix: join(daemon.home, 'keyhold.sock'), tls: new URL(daemon.wss).host };
  t.match(begins(), { level: 30, version, home: daemon.home, profile: 'softhsm2', listeners });

  const client = await daemon.connect();
  t.teardown(() => client.close());
  const { keyMetadata } = await client.createKey({});
  t.same(requestsOf(daemon), [], 'without the setting requests are not logged');

  daemon.configure('accessLog: true');
  await daemon.reload();
  const keyId = keyMetadata.keyId;
  const plaintext = Buffer.from('a secret that no log may show');
  const { ciphertextBlob } = await client.encrypt({ keyId, plaintext });
  await t.rejects(
    client.decrypt({ ciphertextBlob: ciphertextBlob, encryptionContext: { wrong: 'context' } }),
  );
  const [encrypted, refused] = await waitForRequests(daemon, 2);
  const root = 'arn:aws:iam::000000000000:root';
  const { accessKeyId } = daemon.credentials;
  const common = { level: 30, principal: root, accessKeyId, source: 'unix', transport: 'native' };
  t.match(encrypted, { ...common, operation: 'Encrypt', keys: [keyMetadata.arn], error: undefined });
  t.match(refused, { ...common, operation: 'Decrypt', error: 'InvalidCiphertextException' });
  for (const line of [encrypted!, refused!]) {
    t.match(line.requestId, /^[0-9a-f-]{36}$/);
    t.ok(Number(line.durationMs) > 0 && Number(line.durationMs) < 60_000, `${String(line.durationMs)} ms`);
  }
  const [event] = daemon.events('Decrypt');
  t.equal(event?.requestID, refused!.requestId, 'the request ID is that of the audit record');
  for (const secret of [plaintext.toString(), plaintext.toString('base64'), plaintext.toString('hex')])
    t.notOk(daemon.stderr.includes(secret), 'the plaintext is not in the log');

  const before = requestsOf(daemon).length;
  const { code } = await daemon.cli(['describe-key', '--key-id', 'alias/none']);
  t.equal(code, 1);
  t.match((await waitForRequests(daemon, before + 1)).at(-1), {
    operation: 'DescribeKey',
    keys: undefined,
    error: 'NotFoundException',
  });
});

void t.test('in the journal each line begins with its priority', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const path = join(daemon.home, 'journal');
  // A file in place of the journal: JOURNAL_STREAM must have its device and inode.
  const journal = openSync(path, 'w');
  const { dev, ino } = fstatSync(journal);
  const program = join(checkout, 'dist/daemon/main.js');
  const run = (env: NodeJS.ProcessEnv) =>
    spawn(process.execPath, [program], {
      env: { ...daemon.env, JOURNAL_STREAM: `${dev}:${ino}`, ...env },
      stdio: ['ignore', journal, journal],
    });
  const child = run({});
  const exit = once(child, 'exit');
  const text = () => readFileSync(path, 'utf8');
  while (!text().includes('Keyhold is ready') && child.exitCode === null)
    await new Promise((done) => setTimeout(done, 50));
  child.kill('SIGTERM');
  t.same(await exit, [0, null]);
  t.match(text(), /^<6>\{"level":30,.*"msg":"Keyhold is ready"\}$/m);
  const lines = text().trim().split('\n');
  t.ok(
    lines.every((line) => /^<[2-7]>\{.*\}$/.test(line)),
    `the log alone, and no ready line: ${lines.find((line) => !/^<[2-7]>\{/.test(line))}`,
  );

  daemon.configure('logLevel: everything');
  const refused = run({});
  t.same(await once(refused, 'exit'), [1, null]);
  closeSync(journal);
  t.match(
    text(),
    /^<3>keyhold: .*keyhold\.yaml:\d+: 'logLevel'/m,
    'the reason of the exit has the priority of an error',
  );

  const child2 = spawn(process.execPath, [program], {
    env: { ...daemon.env, JOURNAL_STREAM: `${dev}:${ino}` },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [line] = (await once(child2.stderr, 'data')) as [Buffer];
  t.match(line.toString(), /^keyhold: /, 'a pipe does not count as the journal, whatever the variable says');
});
