// Start, stop, reload.
import { once } from 'node:events';
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http, { type RequestOptions } from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { ensureCertificates } from '../../../daemon/app/opening/certificates.js';
import { TestDaemon } from '../../support/daemon.js';
import { workersOf } from '../../support/processes.js';

const isRunning = (pid: number) => existsSync(`/proc/${pid}`);

async function eventually(condition: () => boolean, within: number): Promise<boolean> {
  for (const end = Date.now() + within; Date.now() < end;) {
    if (condition()) return true;
    await new Promise((done) => setTimeout(done, 50));
  }
  return condition();
}

void t.test(
  'a stop drains: requests in flight are answered, the log gets a checkpoint, nothing keeps running',
  async (t) => {
    const daemon = await TestDaemon.start(t, undefined, { workers: 2 });
    t.ok(await eventually(() => workersOf(daemon.pid).length >= 2, 20_000));
    const workers = workersOf(daemon.pid);
    const client = await daemon.connect({ maxAttempts: 1 });
    const { keyMetadata } = await client.createKey({});
    const keyId = keyMetadata.keyId;
    const work = Array.from({ length: 100 }, () => client.encrypt({ keyId, plaintext: Buffer.from('x') }));
    // When the first is answered, the others have been sent too: they are fewer than the client keeps in flight.
    await work[0];
    const stopped = daemon.stop('SIGTERM');
    const results = await Promise.allSettled(work);
    t.equal(results.filter((result) => result.status === 'fulfilled').length, 100);
    t.equal(await stopped, 0);
    await client.close();
    t.ok(await eventually(() => !workers.some(isRunning), 20_000), 'the workers have ended');
    t.notOk(existsSync(join(daemon.home, 'keyhold.sock')));
    const records = daemon.auditRecords();
    t.equal(records.filter((record) => record.eventName === 'Encrypt').length, 100);
    t.match(records.filter((record) => record.eventSource).at(-1), { eventName: 'StopService' });
    t.match(records.at(-1), { eventType: 'KeyholdCheckpoint' });
    t.match(await daemon.admin('audit-verify'), { code: 0 });
    await t.test('SIGINT does the same, and an older key exists after the restart', async (t) => {
      await daemon.start();
      const again = await daemon.connect();
      t.equal((await again.describeKey({ keyId })).keyMetadata.arn, keyMetadata.arn);
      await again.close();
      t.equal(await daemon.stop('SIGINT'), 0);
    });
  },
);

void t.test(
  'a second daemon on the same home refuses to start and says why; a stale socket is replaced',
  async (t) => {
    const daemon = await TestDaemon.start(t);
    const second = await daemon.admin('../main');
    t.match(second, { code: 1, stderr: /is in use by another daemon/ });
    const client = await daemon.connect();
    t.ok(await client.generateRandom({ numberOfBytes: 8 }), 'the first daemon still serves requests');
    await client.close();
    const workers = workersOf(daemon.pid);
    t.equal(await daemon.stop('SIGKILL'), 'SIGKILL');
    t.ok(await eventually(() => !workers.some(isRunning), 20_000), 'a killed daemon leaves no worker');
    t.ok(existsSync(join(daemon.home, 'keyhold.sock')));
    await daemon.start();
    t.equal(statSync(join(daemon.home, 'keyhold.sock')).mode & 0o777, 0o660);
  },
);

void t.test(
  'SIGHUP reloads certificate and log level, and a wrong configuration changes nothing',
  async (t) => {
    const daemon = await TestDaemon.start(t);
    const fingerprint = async () => {
      const { hostname, port } = new URL(daemon.wss);
      const socket = connectTls({ host: hostname, port: Number(port), ca: daemon.ca });
      await once(socket, 'secureConnect');
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      return fingerprint256;
    };
    const before = await fingerprint();
    rmSync(join(daemon.home, 'tls/server.pem'));
    await ensureCertificates(daemon.home, []);
    process.kill(daemon.pid, 'SIGHUP');
    let after = before;
    for (const end = Date.now() + 30_000; after === before && Date.now() < end;) after = await fingerprint();
    t.not(after, before);
    writeFileSync(join(daemon.home, 'keyhold.yaml'), 'nonsense: [');
    process.kill(daemon.pid, 'SIGHUP');
    t.ok(await eventually(() => daemon.stderr.includes('the configuration was not reloaded'), 30_000));
    t.equal(await fingerprint(), after);
  },
);

void t.test(
  '/healthz says more over the unix socket than over TCP, and only the socket has /metrics',
  async (t) => {
    const daemon = await TestDaemon.start(t);
    const get = (path: string, where: RequestOptions) =>
      new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
        const asked = (where.socketPath === undefined ? https : http).request(
          { ...where, path },
          (response) => {
            let body = '';
            response.on('data', (data: Buffer) => (body += data.toString()));
            response.on('end', () => resolve({ status: response.statusCode, body }));
          },
        );
        asked.on('error', reject).end();
      });
    const local = { socketPath: join(daemon.home, 'keyhold.sock') };
    const remote = { host: '127.0.0.1', port: new URL(daemon.wss).port, ca: daemon.ca };
    const health = await get('/healthz', local);
    t.equal(health.status, 200);
    t.match(JSON.parse(health.body), {
      healthy: true,
      keyStores: { default: 'connected' },
      audit: { available: true, sequence: Number, hash: /^[0-9a-f]{64}$/ },
    });
    t.same(JSON.parse((await get('/healthz', remote)).body), { healthy: true });
    t.match(await get('/metrics', local), {
      status: 200,
      body: /^keyhold_ready 1$[^]*^process_cpu_seconds_total /m,
    });
    t.equal((await get('/metrics', remote)).status, 404);
  },
);
