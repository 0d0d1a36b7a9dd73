// A daemon without free file descriptors, and one beside programs that use every processor.
import { execFileSync, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import t from 'tap';
import type { ServiceError } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';
import { childrenOf, lives, within } from '../../support/processes.js';

void t.test('without file descriptors open connections are served, and the daemon recovers', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect({ maxAttempts: 1, timeout: 60_000 });
  t.teardown(() => client.close());
  const keyId = (await client.createKey({})).keyMetadata.keyId;
  const whole = childrenOf(daemon.pid).length;
  const { pid } = daemon;
  // The limit applies to the number of a new descriptor, and those below 3 are taken.
  const limit = (files: number) => execFileSync('prlimit', ['--pid', String(pid), `--nofile=${files}:`]);
  limit(3);

  const encrypt = () => client.encrypt({ keyId, plaintext: Buffer.from('x') });
  t.ok(await encrypt());
  await t.rejects(daemon.connect({ maxAttempts: 1, connectTimeout: 1_000 }), 'new connections fail');
  process.kill(childrenOf(pid)[0]!, 'SIGKILL');
  t.ok(await within(30_000, () => daemon.stderr.includes('start-failed')), 'the start of a worker fails');
  t.ok(lives(pid), 'the daemon survives the failed start');
  t.ok(await encrypt());
  await client
    .createAlias({ aliasName: 'alias/meanwhile', targetKeyId: keyId })
    .catch((error: ServiceError) => t.match(error, { code: 'KMSInternalException' }));

  limit(1024);
  t.ok(await within(30_000, () => childrenOf(pid).length === whole), 'all workers run again');
  const other = await daemon.connect();
  t.ok(await other.encrypt({ keyId, plaintext: Buffer.from('x') }));
  await other.close();
  t.match(await daemon.admin('audit-verify'), { code: 0 });
});

void t.test(
  'while other programs use every processor, no request fails and no worker is killed',
  async (t) => {
    const daemon = await TestDaemon.start(t);
    const client = await daemon.connect({ maxAttempts: 1, timeout: 60_000 });
    t.teardown(() => client.close());
    const keyId = (await client.createKey({})).keyMetadata.keyId;
    const workers = childrenOf(daemon.pid);
    const busy = Array.from({ length: 3 * availableParallelism() }, () =>
      spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
    );
    t.teardown(() => busy.forEach((each) => each.kill('SIGKILL')));
    const lane = async () => {
      for (let n = 0; n < 100; n++) await client.encrypt({ keyId, plaintext: Buffer.from('x') });
    };
    await Promise.all(Array.from({ length: 8 }, lane));
    await client.createKey({});
    t.strictSame(childrenOf(daemon.pid), workers);
  },
);
