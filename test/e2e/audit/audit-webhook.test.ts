// A daemon with a webhook and the journal as sinks: failures, kill -9, a stop, doctor, and no secret in anything that is shown.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readLog } from '../../audit/support.js';
import { TestDaemon } from '../../support/daemon.js';
import { makeCertificate } from '../../support/receivers/syslog-receiver.js';
import { documentedVerify, WebhookReceiver } from '../../support/receivers/webhook-receiver.js';

const folder = mkdtempSync(join(tmpdir(), 'kh-w-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const certificate = makeCertificate(join(folder, 'own'));
const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((done) => setTimeout(done, 20));
}

void t.test('a webhook and a journal get every record, and no secret is shown', async (t) => {
  const receiver = new WebhookReceiver(certificate);
  await receiver.start();
  t.teardown(() => receiver.stop());
  let journal = '';
  const socket = join(folder, 'stdout');
  const server = createServer({ allowHalfOpen: true }, (connection) => {
    connection.end();
    connection.on('data', (data: Buffer) => (journal += data.toString())).on('error', () => undefined);
  }).listen(socket);
  t.teardown(() => server.close());

  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const file = join(daemon.home, 'hook.secret');
  writeFileSync(file, `${secret}\n`, { mode: 0o644 });
  const hook = `{ type: webhook, url: 'https://127.0.0.1:${receiver.port}/hidden-path', secretFile: hook.secret, ca: ${certificate.path}, batchSeconds: 0.1 }`;
  daemon.configure(
    `audit:\n  fileBytes: 50000\n  sinks:\n    hook: ${hook}\n    journal: { type: journal, socket: ${socket}, confirmSeconds: 0.5 }`,
  );
  await t.rejects(daemon.start(), {
    message: /'audit\.sinks\.hook\.secretFile' must not be accessible to other users/,
  });
  rmSync(file);
  writeFileSync(file, `${secret}\n`, { mode: 0o600 });

  await daemon.start();
  const behind = async (name: string) => {
    const { audit } = (await daemon.health()) as unknown as {
      audit: { sinks: Record<string, { recordsBehind: number; lastError?: string }> };
    };
    return audit.sinks[name]!;
  };
  let client = await daemon.connect();
  const { keyId } = (await client.createKey({})).keyMetadata;
  const plaintext = Buffer.from('x');
  const encrypt = (count: number) =>
    Promise.all(Array.from({ length: count }, () => client.encrypt({ keyId, plaintext })));
  await encrypt(50);
  await until(async () => (await behind('hook')).recordsBehind === 0);
  for (const status of [500, 503, 302])
    receiver.answers.push((response) => void response.writeHead(status).end());
  await encrypt(50);
  await until(async () => (await behind('hook')).lastError !== undefined);
  t.match(await daemon.health(), {
    healthy: true,
    warnings: [/the audit sink hook is \d+ records behind: the receiver answered/],
  });

  await t.test('doctor checks the sinks', async (t) => {
    t.match(await daemon.admin('doctor', ['--no-trial']), {
      code: 0,
      stdout: /audit sink hook +.*webhook, answers[^]*audit sink journal +.*journal, answers/,
    });
  });

  const writing = encrypt(500).catch(() => undefined);
  await until(() => receiver.sequences.length > 100);
  await daemon.stop('SIGKILL');
  await writing;
  await client.close();
  await receiver.stop();
  await daemon.start();
  client = await daemon.connect();
  await encrypt(20);
  await client.close();
  t.match(await daemon.admin('doctor', ['--no-trial']), {
    code: 1,
    stdout: /audit sink hook +.*cannot be reached: .*ECONNREFUSED/,
  });
  await receiver.start();
  await until(async () => (await behind('hook')).recordsBehind === 0);
  t.equal(await daemon.stop(), 0);

  const log = readLog(join(daemon.home, 'audit'));
  t.equal(
    [...new Set(receiver.lines)].join('\n') === log.join('\n'),
    true,
    'the webhook gets all records, byte by byte',
  );
  const entries = new Set(journal.split('\n').filter((line) => line.startsWith('{')));
  t.same(
    log.filter((line) => !entries.has(line)),
    [],
    'the journal gets all records too',
  );
  const verify = await documentedVerify(folder);
  t.ok(
    receiver.requests.every(
      ({ headers, body, path }) => path === '/hidden-path' && verify(secret, headers, body),
    ),
  );
  const shown = [daemon.stdout, daemon.stderr, ...log, ...readdirSync(join(daemon.home, 'audit-sinks'))].join(
    '\n',
  );
  for (const hidden of ['hidden-path', secret, secret.slice('whsec_'.length)])
    t.notOk(shown.includes(hidden));
});

void t.test('settings that cannot be used are refused, and secrets in them are not quoted', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const configuration = join(daemon.home, 'keyhold.yaml');
  const plain = readFileSync(configuration, 'utf8');
  const cases: [sink: string, message: RegExp][] = [
    [
      `{ type: webhook, url: 'http://127.0.0.1/', secretFile: x }`,
      /'audit\.sinks\.a\.url': .*a URL 'https:\/\/…'/,
    ],
    [`{ type: webhook, url: 'https://hunter2:hunter2@127.0.0.1/', secretFile: x }`, /'audit\.sinks\.a\.url'/],
    [
      `{ type: webhook, url: 'https://127.0.0.1/', secretFile: whsec_hunter2 }`,
      /'audit\.sinks\.a\.secretFile' cannot be read \(ENOENT\)/,
    ],
    [`{ type: webhook, url: 'https://127.0.0.1/' }`, /'audit\.sinks\.a\.secretFile'/],
    [`{ type: syslog, host: logs.example, tls: false }`, /'tls: false' needs a 'host' of this machine/],
    [`{ host: logs.example, socket: /dev/log }`, /exactly one of 'host' and 'socket'/],
    [`{ socket: /run/log, ca: tls/ca.pem }`, /'ca', 'certificate' and 'key' are for TLS/],
    [`{ type: journal, host: logs.example }`, /'audit\.sinks\.a/],
    [`{ type: mail }`, /'audit\.sinks\.a/],
  ];
  for (const [sink, message] of cases) {
    writeFileSync(configuration, `${plain}\naudit: { sinks: { a: ${sink} } }\n`);
    await t.rejects(daemon.start(), { message }, sink);
    t.notMatch(daemon.stderr, /hunter2/, sink);
  }
});
