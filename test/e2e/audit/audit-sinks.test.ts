// The daemon's audit sinks: receivers that are absent, stall or reset, kill -9, and reloads with what they record.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Client } from '../../../client/index.js';
import { readLog } from '../../audit/support.js';
import { TestDaemon } from '../../support/daemon.js';
import { makeCertificate, SyslogReceiver } from '../../support/receivers/syslog-receiver.js';

const folder = t.testdir();
const certificate = makeCertificate(join(folder, 'own'));
const other = makeCertificate(join(folder, 'other'));

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((done) => setTimeout(done, 20));
}

interface SinkHealth {
  readonly healthy: boolean;
  readonly warnings: string[];
  readonly audit: {
    readonly sequence: number;
    readonly sinks: Record<string, { state: string; recordsBehind: number; lastError?: string }>;
  };
}

async function healthOf(daemon: TestDaemon): Promise<SinkHealth> {
  return (await daemon.health()) as unknown as SinkHealth;
}

function sinkYaml(port: number, more = ''): string {
  const sink = `{ host: 127.0.0.1, port: ${port}, ca: siem.pem, confirmSeconds: 0.5, hostname: vault${more} }`;
  return `audit:\n  fileBytes: 50000\n  checkpointSeconds: 1\n  sinks:\n    siem: ${sink}`;
}

async function encryptMany(client: Client, keyId: string, count: number): Promise<void> {
  const plaintext = Buffer.from('x');
  await Promise.all(Array.from({ length: count }, () => client.encrypt({ keyId, plaintext })));
}

/** Checks that all records of the log arrived, in order and unchanged. */
function isComplete(t: Test, daemon: TestDaemon, { messages, sequences, faults }: SyslogReceiver): void {
  const lines = readLog(join(daemon.home, 'audit'));
  t.strictSame(faults, []);
  t.strictSame(
    sequences,
    lines.map((_, index) => index + 1),
  );
  t.ok(
    messages.every(
      ({ sequence, message }) => message.toString().replace(/^\ufeff/, '') === lines[sequence - 1],
    ),
    'records arrive byte by byte',
  );
}

void t.test(
  'every record arrives despite an absent, a stalling and a resetting receiver, kill -9 and a stop',
  async (t) => {
    const receiver = new SyslogReceiver(certificate);
    await receiver.start();
    await receiver.stop();
    t.teardown(() => receiver.stop());
    const daemon = await TestDaemon.initialise();
    t.teardown(() => daemon.remove());
    copyFileSync(certificate.path, join(daemon.home, 'siem.pem'));
    daemon.configure(sinkYaml(receiver.port));

    await daemon.start();
    let client = await daemon.connect();
    const keyId = (await client.createKey({})).keyMetadata.keyId;
    await encryptMany(client, keyId, 50);
    await until(async () => (await healthOf(daemon)).audit.sinks.siem?.lastError !== undefined);
    const absent = await healthOf(daemon);
    t.equal(absent.healthy, true, 'requests are still served');
    t.match(absent.warnings.join(), /the audit sink siem is \d+ records behind: .*ECONNREFUSED/);

    await receiver.start();
    await until(() => receiver.messages.length > 0);
    receiver.stall(true);
    await encryptMany(client, keyId, 300);
    const stalled = await healthOf(daemon);
    t.ok(stalled.audit.sinks.siem!.recordsBehind >= 300);
    receiver.stall(false);
    receiver.resetAfter = 100;
    await encryptMany(client, keyId, 200);
    const writing = encryptMany(client, keyId, 500).catch(() => undefined);
    await until(() => receiver.sequences.length > 400);
    await daemon.stop('SIGKILL');
    await writing;
    await client.close();

    await daemon.start();
    client = await daemon.connect();
    await encryptMany(client, keyId, 50);
    await client.close();
    await until(async () => (await healthOf(daemon)).audit.sinks.siem?.recordsBehind === 0);
    t.equal(await daemon.stop(), 0);
    t.match(receiver.messages.at(-2)!.message.toString(), /StopService/);
    t.match(receiver.messages.at(-1)!.message.toString(), /KeyholdCheckpoint/, 'the last record arrives too');
    isComplete(t, daemon, receiver);
    t.match(await daemon.admin('audit-verify'), { code: 0 });
  },
);

void t.test(
  'SIGHUP applies changed sinks; reloads and refusals are recorded with names, without values',
  async (t) => {
    const receiver = new SyslogReceiver(certificate);
    await receiver.start();
    t.teardown(() => receiver.stop());
    const daemon = await TestDaemon.start(t);
    copyFileSync(other.path, join(daemon.home, 'siem.pem'));
    const configuration = join(daemon.home, 'keyhold.yaml');
    const plain = readFileSync(configuration, 'utf8');
    const reloads = () => daemon.events('ReloadConfiguration');
    const reload = async (text: string) => {
      const before = reloads().length;
      writeFileSync(configuration, text);
      process.kill(daemon.pid, 'SIGHUP');
      await until(() => reloads().length > before);
      return reloads().at(-1);
    };

    const wrong = sinkYaml(receiver.port, ', facility: local3').replace('  fileBytes: 50000\n', '');
    t.match(await reload(`${plain}logLevel: debug\n${wrong}\nlimits:\n  keys: 7\n`), {
      eventType: 'AwsServiceEvent',
      userIdentity: { type: 'AWSService', invokedBy: 'keyhold' },
      errorCode: undefined,
      serviceEventDetails: {
        changed: ['audit.sinks.siem', 'logLevel'],
        afterRestart: ['audit.checkpointSeconds', 'limits.keys'],
        changedFiles: ['audit.sinks.siem.ca'],
      },
    });
    await until(async () => (await healthOf(daemon)).audit.sinks.siem?.lastError !== undefined);
    t.match((await healthOf(daemon)).audit.sinks.siem!.lastError, /self.signed certificate/);
    t.strictSame(receiver.messages, []);

    copyFileSync(certificate.path, join(daemon.home, 'siem.pem'));
    t.match(await reload(`${plain}${wrong}\n`), {
      serviceEventDetails: {
        changed: ['logLevel'],
        afterRestart: ['audit.checkpointSeconds'],
        changedFiles: ['audit.sinks.siem.ca'],
      },
    });
    await until(() => receiver.sequences.length > 0);
    await until(async () => (await healthOf(daemon)).audit.sinks.siem?.recordsBehind === 0);
    t.match(
      receiver.messages[0]!.header,
      /^<158>1 \S+ vault keyhold \d+ /,
      'the priority is local3, informational',
    );

    const refusals: [string, RegExp][] = [
      [`${plain}logLevel: hunter2\n`, /keyhold\.yaml:\d+: 'logLevel': /],
      [`${plain}logLevel: [hunter2\n`, /keyhold\.yaml:\d+: this is not YAML \([A-Z_]+\)$/],
      [
        `${plain}audit: { sinks: { siem: { host: x, ca: none.pem } } }\n`,
        /none\.pem cannot be read \(ENOENT\)/,
      ],
      [
        `${plain}audit: { sinks: { siem: { host: x, ca: keyhold.yaml, certificate: keyhold.yaml, key: credentials } } }\n`,
        /'audit\.sinks\.siem': certificate, key or CA cannot be used/,
      ],
      [`${plain}tls: { clientCa: siem.pem }\n`, /removing 'tls\.clientCa' requires a restart/],
      [`${plain}tls: { key: siem.pem }\n`, /'tls\.certificate' and 'tls\.key' cannot be used/],
    ];
    for (const [text, message] of refusals) {
      const event = await reload(text);
      t.match(event, { errorCode: 'InvalidConfiguration', errorMessage: message });
      t.notMatch(JSON.stringify(event), /hunter2/);
    }
    t.match(
      (await healthOf(daemon)).audit.sinks,
      { siem: { lastError: undefined } },
      'a refused reload changes nothing',
    );

    await reload(plain);
    await until(async () => Object.keys((await healthOf(daemon)).audit.sinks).length === 0);
    const { length } = receiver.sequences;
    t.strictSame(
      receiver.sequences,
      Array.from({ length }, (_, index) => index + 1),
    );
    t.ok(
      receiver.messages.some(({ message }) => message.includes('ReloadConfiguration')),
      'the sink sends its records up to the last reload',
    );
  },
);
