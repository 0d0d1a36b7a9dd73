// The limit of open files: connection limits are reduced so that the daemon's own files always have descriptors.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import t from 'tap';
import { configSchema } from '../../daemon/config/schema.js';
import { fitConnections } from '../../daemon/app/open-files.js';
import { TestDaemon } from '../support/daemon.js';

const { limits } = configSchema.parse({
  account: '000000000000',
  region: 'us-east-1',
  hsm: { profile: 'softhsm2' },
});

void t.test('limits that fit are kept', (t) => {
  for (const files of [undefined, 1_048_576, 65_536])
    t.strictSame(fitConnections(limits, files, 2), { limits, warnings: [] });
  t.end();
});

void t.test('limits that do not fit are reduced', (t) => {
  for (const files of [64, 400, 1_024, 4_096]) {
    const fitted = fitConnections(limits, files, 2);
    const { connections, httpConnections, unauthenticatedConnections } = fitted.limits;
    const most = Math.max(files - 336, 12);
    t.ok(connections + httpConnections + unauthenticatedConnections <= most, `${files}`);
    t.ok(fitted.limits.unauthenticatedConnectionsPerSource <= unauthenticatedConnections);
    t.match(fitted.warnings, [
      new RegExp(`the limit of open files is ${files}.*limits.connections is ${connections} instead of 4096`),
    ]);
  }
  t.end();
});

void t.test('a daemon with few descriptors', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  // The daemon inherits the soft and hard limits of this process.
  execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=700:700']);
  await daemon.start();
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const { keyMetadata } = await client.createKey({});
  const keyId = keyMetadata.keyId;
  t.match((await daemon.health()).warnings, [/the limit of open files is 700/]);
  t.match(daemon.stderr, /the limit of open files is 700/);
  const port = Number(new URL(daemon.wss).port);
  for (let index = 0; index < 500; index += 1) {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    t.teardown(() => socket.destroy());
  }
  await new Promise((done) => setTimeout(done, 500));
  const open = readdirSync(`/proc/${daemon.pid}/fd`).length;
  t.ok(open < 250, `${open} descriptors`);
  for (let index = 0; index < 20; index += 1)
    await client.tagResource({ keyId, tags: [{ tagKey: 'a', tagValue: String(index) }] });
  t.match(await client.createKey({}), { keyMetadata: { enabled: true } });
});
