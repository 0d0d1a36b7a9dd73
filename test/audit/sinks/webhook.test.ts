// The webhook with a real HTTPS server and a real log.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { SinkSettings } from '../../../daemon/audit/sinks/kinds.js';
import { parseSecrets } from '../../../daemon/audit/sinks/webhook-signature.js';
import { makeCertificate } from '../../support/receivers/syslog-receiver.js';
import { type Answer, documentedVerify, WebhookReceiver } from '../../support/receivers/webhook-receiver.js';
import { readLog, until } from '../support.js';
import { openWorld, type SinkWorld } from './world.js';

const folder = t.testdir();
const certificate = makeCertificate(join(folder, 'own'));
const other = makeCertificate(join(folder, 'other'));
const verify = await documentedVerify(folder);
const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const second = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
let worlds = 0;

type Settings = Extract<SinkSettings, { type: 'webhook' }>;

async function begin(t: Test, receiver = new WebhookReceiver(certificate)) {
  t.teardown(() => receiver.stop());
  const world = await openWorld(t, join(folder, String(worlds++)));
  await receiver.start();
  const settings = (more: Partial<Settings> = {}): Settings => ({
    ...{ type: 'webhook', url: `https://127.0.0.1:${receiver.port}/a-secret-path?token=hidden` },
    ...{ ca: certificate.certificate, secretFile: Buffer.from(`${secret}\n`) },
    ...{ batchBytes: 64 * 1024, batchInterval: 20, timeout: 5_000, ...more },
  });
  return { world, receiver, settings };
}

/** Checks that every record of the log arrived, in order and byte by byte. */
function isComplete(t: Test, world: SinkWorld, { lines, sequences }: WebhookReceiver): void {
  const log = readLog(world.directory).slice(0, sequences.length);
  t.same(
    sequences,
    log.map((_, at) => at + 1),
    'records arrive in order, and none is left out',
  );
  t.equal([...new Set(lines)].join('\n') === log.join('\n'), true, 'records arrive as they are in the log');
}

void t.test('batches arrive in order, signed with each secret, over many files', async (t) => {
  const { world, receiver, settings } = await begin(t);
  await world.append(300, 'x'.repeat(400));
  world.apply(settings({ secretFile: Buffer.from(`${secret}\n${second}\n`) }));
  await world.received();
  await world.append(100);
  await world.received();
  t.ok(receiver.sequences.length >= 400);
  isComplete(t, world, receiver);
  t.equal(receiver.lines.length, receiver.sequences.length, 'no record is sent twice');
  // How many depends on how fast the machine is.
  t.ok(receiver.requests.length < receiver.sequences.length, `${receiver.requests.length} requests`);
  for (const { headers, body } of receiver.requests) {
    t.match(headers, { 'content-type': 'application/x-ndjson', 'user-agent': 'keyhold' });
    t.ok(body.length < 3 * 64 * 1024);
    t.ok(verify(secret, headers, body) && verify(second, headers, body));
    t.notOk(verify(`whsec_${Buffer.alloc(32, 9).toString('base64')}`, headers, body));
    t.notOk(verify(secret, headers, Buffer.concat([body, Buffer.from(' ')])));
    t.notOk(
      verify(secret, { ...headers, 'webhook-timestamp': '1000000000' }, body),
      'an old signature is refused',
    );
    t.notOk(verify(secret, { ...headers, 'webhook-signature': 'v1,x v2' }, body));
  }
  await until(() => world.status().state === 'idle');
  t.match(world.status(), { state: 'idle', recordsBehind: 0, lastError: undefined });
  const before = receiver.lines.length;
  world.apply(undefined);
  await world.append(50);
  world.apply(settings());
  await world.received();
  isComplete(t, world, receiver);
  t.ok(receiver.lines.length >= before + 50);
  t.equal(receiver.lines.length, receiver.sequences.length, 'the sink continues where it stopped');
});

void t.test(
  'a receiver that is absent, refuses, is slow or disconnects gets the same records again',
  async (t) => {
    const redirected: string[] = [];
    const elsewhere = createServer((request, response) => {
      redirected.push(request.url ?? '');
      response.end();
    });
    await new Promise<void>((done) => elsewhere.listen(0, '127.0.0.1', done));
    t.teardown(() => elsewhere.close());
    const status =
      (code: number, headers = {}): Answer =>
      (response) =>
        void response.writeHead(code, headers).end('a reason that is not repeated');
    const cases: [string, Answer, RegExp][] = [
      ['500', status(500), /^the receiver answered 500$/],
      ['429', status(429, { 'Retry-After': '1' }), /^the receiver answered 429$/],
      [
        'a redirect',
        status(307, { Location: `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/` }),
        /answered 307: redirects are not followed/,
      ],
      ['slow', () => undefined, /^the receiver did not answer within 0\.5 s$/],
      ['cut before the answer', (response) => response.socket?.destroy(), /socket hang up|ECONNRESET/],
      [
        'cut in the middle of the answer',
        (response) => {
          response.writeHead(200, { 'Content-Length': 100 });
          response.write('part', () => response.socket?.destroy());
        },
        /aborted|ECONNRESET/,
      ],
    ];
    const { world, receiver, settings } = await begin(t);
    await receiver.stop();
    await world.append(20);
    world.apply(settings({ timeout: 500 }));
    await until(() => world.errors.length > 0);
    t.match(world.status(), { lastError: /ECONNREFUSED/, confirmedSequence: 0 });
    await receiver.start();
    await world.received();
    for (const [name, answer, message] of cases) {
      world.errors.length = 0;
      // Twice, because a persistent connection that breaks is replaced at once.
      receiver.answers.push(answer, answer);
      const asked = receiver.requests.length;
      await world.append(20);
      await until(() => world.errors.length > 0);
      t.match(world.errors[0]?.message, message, name);
      await world.received();
      t.ok(receiver.requests.length >= asked + 2, name);
      t.equal(world.errors.at(-1), undefined, 'the recovery is reported');
      isComplete(t, world, receiver);
    }
    t.same(redirected, [], 'no redirect is followed');
    const seen = JSON.stringify([world.errors.map(String), world.sinks.warnings]);
    t.notMatch(seen, /secret-path|hidden|whsec_|a reason/);
  },
);

void t.test('an endless answer takes neither memory nor time', async (t) => {
  const { world, receiver, settings } = await begin(t);
  let sent = 0;
  receiver.answers.push((response) => {
    response.writeHead(200);
    const block = Buffer.alloc(64 * 1024);
    const write = () => {
      while (!response.destroyed) {
        sent += block.length;
        if (!response.write(block)) return void response.once('drain', write);
      }
    };
    response.on('error', () => undefined);
    write();
  });
  await world.append(3);
  world.apply(settings());
  await world.received();
  t.ok(sent < 16 * 1024 * 1024, `${sent} bytes`);
});

void t.test('a long record is sent in its own batch; a sink ends at once when it is removed', async (t) => {
  const { world, receiver, settings } = await begin(t);
  await world.append(1, 'x'.repeat(900_000));
  await world.append(2);
  world.apply(settings({ batchInterval: 60_000 }));
  // The batch waits for more records, but ending the sink does not.
  await until(() => world.sinks.status.siem?.state === 'sending');
  world.apply(undefined);
  await until(() => world.sinks.status.siem === undefined);
  t.ok(receiver.sequences.length >= 3);
  isComplete(t, world, receiver);
});

void t.test('another CA, another name and a missing client certificate are refused', async (t) => {
  const { world, receiver, settings } = await begin(t);
  await world.append(3);
  const failing = async (more: Partial<Settings>, message: RegExp) => {
    world.errors.length = 0;
    world.apply(settings(more));
    await until(() => world.errors.length > 0);
    t.match(world.status(), { lastError: message, confirmedSequence: 0 });
  };
  await failing({ ca: other.certificate }, /self.signed certificate/);
  await failing({ ca: undefined }, /self.signed certificate/);
  await failing({ url: `https://localhost:${receiver.port}/` }, /altnames|ECONNREFUSED/i);
  t.same(receiver.requests, []);
  world.apply(settings());
  await world.received();

  const mutual = await begin(
    t,
    new WebhookReceiver(certificate, { requestCert: true, ca: other.certificate }),
  );
  await mutual.world.append(3);
  mutual.world.apply(mutual.settings());
  await until(() => mutual.world.errors.length > 0);
  t.same(mutual.receiver.requests, []);
  mutual.world.apply(mutual.settings({ certificate: other.certificate, key: other.key }));
  await mutual.world.received();
  isComplete(t, mutual.world, mutual.receiver);
});

void t.test('secrets are checked, and never quoted', (t) => {
  const good = Buffer.alloc(24, 1).toString('base64');
  t.same(parseSecrets(Buffer.from(`whsec_${good}\r\n\n`)), [Buffer.alloc(24, 1)]);
  const bad = ['', good, `whsec_${good.slice(0, -4)}`, `whsec_${good}!`, 'whsec_', `whsec_${'A'.repeat(92)}`];
  bad.push(Array.from({ length: 5 }, () => `whsec_${good}`).join('\n'));
  for (const text of bad)
    t.throws(() => parseSecrets(Buffer.from(text)), {
      message: /^it must have 1 to 4 lines, each 'whsec_' and the base64 of 24 to 64/,
    });
  t.notOk(readFileSync(certificate.path).includes(good));
  t.end();
});
