// The syslog sink with a real TLS receiver and a real log.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { SyslogSettings } from '../../../daemon/audit/sinks/kinds.js';
import { makeCertificate, SyslogReceiver } from '../../support/receivers/syslog-receiver.js';
import { fileNames, readLog, until } from '../support.js';
import { openWorld, type SinkWorld } from './world.js';

const folder = t.testdir();
const certificate = makeCertificate(join(folder, 'own'));
const other = makeCertificate(join(folder, 'other'));

let worlds = 0;

interface World extends SinkWorld {
  readonly receiver: SyslogReceiver;
  settings(more?: Partial<SyslogSettings>): ReadonlyMap<string, SyslogSettings>;
}

async function makeWorld(t: Test, receiver = new SyslogReceiver(certificate)): Promise<World> {
  // Registered first, so that it runs after the sink has ended.
  t.teardown(() => receiver.stop());
  const world = await openWorld(t, join(folder, String(worlds++)));
  return {
    ...world,
    receiver,
    settings: (more = {}) => {
      const message = { facility: 13, appName: 'keyhold', hostname: 'vault', enterpriseNumber: 32473 };
      const { port } = receiver;
      const confirmation = { confirmInterval: 300, confirmBytes: 64 * 1024 };
      const place = { host: '127.0.0.1', port, ca: certificate.certificate };
      const settings = { type: 'syslog' as const, ...place, ...message };
      return new Map([['siem', { ...settings, ...confirmation, ...more }]]);
    },
  };
}

/** Checks that every record of the log arrived, in order and byte by byte. */
function isComplete(t: Test, { receiver, directory }: World): void {
  const lines = readLog(directory);
  t.strictSame(receiver.faults, []);
  const upTo = receiver.sequences.length;
  t.strictSame(
    receiver.sequences,
    lines.slice(0, upTo).map((_, index) => index + 1),
    'records arrive in order, and none is left out',
  );
  const wrong = receiver.messages.filter(({ sequence, message }) => {
    const text = message.toString().replace(/^\ufeff/, '');
    return text !== lines[sequence - 1];
  });
  t.strictSame(wrong, [], 'records arrive as they are in the log');
}

void t.test('records arrive as RFC 5424 messages in octet-counted frames, over many files', async (t) => {
  const world = await makeWorld(t);
  await world.receiver.start();
  await world.append(300);
  await world.append(300, 'ascii');
  world.sinks.apply(world.settings());
  await world.received();
  await world.append(300, 'x'.repeat(200));
  await world.received();
  t.ok(fileNames(world.directory).length > 3);
  t.ok(world.receiver.sequences.length >= 900);
  isComplete(t, world);
  const [first, checkpoint] = [0, 1].map((wanted) =>
    world.receiver.messages.find(({ message }) => Number(message.includes('KeyholdCheckpoint')) === wanted),
  );
  t.match(first!.header, new RegExp(`^<110>1 - vault keyhold ${process.pid} Encrypt$`));
  t.match(checkpoint!.header, /^<110>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ vault keyhold \d+ KeyholdCheckpoint$/);
  const marked = world.receiver.messages.map(({ message }) => [
    message.readUIntBE(0, 3) === 0xefbbbf,
    message.includes('schl'),
  ]);
  t.ok(
    marked.every(([hasMark, isUtf8]) => hasMark === isUtf8),
    'only messages that are not ASCII begin with a byte order mark',
  );
  await until(() => world.status().state === 'idle');
  t.match(world.status(), { state: 'idle', recordsBehind: 0, lastError: undefined });
  const kept = () => (JSON.parse(readFileSync(world.positionFile, 'utf8')) as { sequence: number }).sequence;
  await until(() => kept() === world.log.head.sequence);
});

void t.test('a long record and one with every member arrive complete', async (t) => {
  const world = await makeWorld(t);
  await world.receiver.start();
  world.sinks.apply(world.settings());
  await world.append(1, 'x'.repeat(900_000));
  await world.append(1, '"eventTime":"2000-01-01T00:00:00Z","eventName":"No" ] \\ 🗝');
  await world.received();
  isComplete(t, world);
});

void t.test('nothing is lost while the receiver is absent, and connecting is retried', async (t) => {
  const world = await makeWorld(t);
  await world.receiver.start();
  await world.receiver.stop();
  world.sinks.apply(world.settings());
  await world.append(50);
  await until(() => world.errors.length >= 2);
  t.match(world.status(), { lastError: /ECONNREFUSED/, recordsBehind: world.log.head.sequence });
  t.match(world.sinks.warnings, [/the audit sink siem is \d+ records behind: .*ECONNREFUSED/]);
  await world.receiver.start();
  await world.received();
  isComplete(t, world);
  t.equal(world.errors.at(-1), undefined, 'the recovery is reported');
  t.strictSame(world.sinks.warnings, []);
});

void t.test('connections that are reset lose nothing: their records are sent again', async (t) => {
  const world = await makeWorld(t);
  await world.receiver.start();
  await world.append(400);
  world.receiver.resetAfter = 37;
  world.sinks.apply(world.settings());
  await until(() => world.errors.length >= 1);
  world.receiver.resetAfter = 11;
  await until(() => world.errors.length >= 2);
  await world.append(100);
  await world.received();
  isComplete(t, world);
  t.equal(world.receiver.sequences.length, world.log.head.sequence);
  t.ok(world.receiver.messages.length > world.log.head.sequence, 'some records are sent twice');
});

void t.test('a receiver that stops reading delays only its sink, in constant memory', async (t) => {
  const world = await makeWorld(t);
  await world.receiver.start();
  world.receiver.stall(true);
  world.sinks.apply(world.settings({ confirmBytes: 1024 * 1024 * 1024, confirmInterval: 3_600_000 }));
  // More than the kernel's buffers at both ends.
  const text = 'x'.repeat(100_000);
  for (let round = 0; round < 30; round++) await world.append(10, text);
  const held = world.status().sentSequence;
  t.ok(
    held < world.log.head.sequence - 100,
    `the receiver had ${held} of ${world.log.head.sequence} records`,
  );
  t.equal(world.status().confirmedSequence, 0);
  world.receiver.stall(false);
  await until(() => world.receiver.sequences.length >= 300);
  isComplete(t, world);
});

void t.test('records are sent only to a receiver that TLS verifies', async (t) => {
  const refusals: [string, Partial<SyslogSettings>, RegExp][] = [
    ['another CA', { ca: other.certificate }, /self.signed certificate/],
    ['another name', { serverName: 'siem.example' }, /altnames/i],
  ];
  for (const [name, settings, message] of refusals) {
    await t.test(name, async (t) => {
      const world = await makeWorld(t);
      await world.receiver.start();
      await world.append(3);
      world.sinks.apply(world.settings(settings));
      await until(() => world.errors.length >= 1);
      t.match(world.status(), { lastError: message });
      t.strictSame(world.receiver.messages, []);
      // As a reload does.
      world.sinks.apply(world.settings({ serverName: 'logs.example' }));
      await world.received();
      isComplete(t, world);
    });
  }
  await t.test('a receiver that requires a client certificate gets no records without one', async (t) => {
    const mutual = { requestCert: true, ca: other.certificate };
    const world = await makeWorld(t, new SyslogReceiver(certificate, mutual));
    await world.receiver.start();
    await world.append(3);
    world.sinks.apply(world.settings());
    await until(() => world.errors.length >= 1);
    t.match(world.status(), { lastError: /alert|reset|closed|EPIPE/i, confirmedSequence: 0 });
    t.strictSame(world.receiver.messages, []);
    world.sinks.apply(world.settings({ certificate: other.certificate, key: other.key }));
    await world.received();
    isComplete(t, world);
  });
  await t.test('a receiver with only TLS 1.1 gets no records', async (t) => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const world = await makeWorld(t, new SyslogReceiver(certificate, old));
    await world.receiver.start();
    await world.append(3);
    world.sinks.apply(world.settings());
    await until(() => world.errors.length >= 1);
    t.strictSame(world.receiver.messages, []);
  });
});

void t.test('the position is kept: a sink that is added again continues there', async (t) => {
  const world = await makeWorld(t);
  await world.receiver.start();
  await world.append(50);
  world.sinks.apply(world.settings());
  await world.received();
  world.sinks.apply(new Map());
  await world.append(50);
  const before = world.receiver.messages.length;
  world.sinks.apply(world.settings());
  await until(() => world.receiver.messages.length >= before + 50);
  await world.received();
  isComplete(t, world);
  t.equal(world.receiver.messages.length, world.receiver.sequences.length, 'no record is sent twice');
});

void t.test('a log without the next record is reported, and nothing is skipped', async (t) => {
  const world = await makeWorld(t);
  await world.receiver.start();
  await world.append(300, 'x'.repeat(400));
  const [first = ''] = fileNames(world.directory).map((name) => join(world.directory, name));
  const cases: [string, () => void, () => void, RegExp][] = [
    [
      'a file is gone',
      () => renameSync(first, `${first}.away`),
      () => renameSync(`${first}.away`, first),
      /Record 1 was expected at byte 0 of audit-00000001.jsonl, which is missing/,
    ],
    [
      'another record is there',
      () => writeFileSync(world.positionFile, '{"file":1,"offset":0,"sequence":3}'),
      () => rmSync(world.positionFile),
      /Record 4 was expected at byte 0 of audit-00000001.jsonl, which continues with another/,
    ],
    [
      'the position is ahead',
      () => writeFileSync(world.positionFile, '{"file":9,"offset":0,"sequence":99999}'),
      () => rmSync(world.positionFile),
      /record 99999 was sent, but the log has only \d+/,
    ],
    [
      'the position is none',
      () => writeFileSync(world.positionFile, '{"file":'),
      () => rmSync(world.positionFile),
      /is not a position file: remove it/,
    ],
  ];
  world.sinks.apply(world.settings());
  await world.received();
  world.sinks.apply(new Map());
  await until(() => world.sinks.status.siem === undefined);
  for (const [name, spoil, mend, message] of cases) {
    if (name === 'a file is gone') rmSync(world.positionFile);
    spoil();
    world.errors.length = 0;
    world.receiver.messages.length = 0;
    world.sinks.apply(world.settings());
    await until(() => world.errors.length >= 1);
    t.match(world.status().lastError, message, name);
    t.strictSame(world.receiver.messages, [], name);
    mend();
    world.sinks.apply(new Map());
    await until(() => world.sinks.status.siem === undefined);
    world.sinks.apply(world.settings());
    await world.received();
    isComplete(t, world);
    world.sinks.apply(new Map());
    await until(() => world.sinks.status.siem === undefined);
  }
});
