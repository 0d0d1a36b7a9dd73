// A daemon that is stopped for longer than any call to the HSM may take (SIGSTOP, a paused virtual machine).
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { ticksOf, workersOf } from '../../support/processes.js';

void t.test('a pause of 12 s costs no worker, and requests in flight are answered', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const keyId = (await client.createKey({})).keyMetadata.keyId;
  while (workersOf(daemon.pid).length < 2) await sleep(50);
  const before = workersOf(daemon.pid);
  let [running, done] = [true, 0];
  const lane = async () => {
    for (; running; done++) await client.encrypt({ keyId, plaintext: Buffer.alloc(8) });
  };
  const lanes = Promise.all(Array.from({ length: 200 }, lane));
  while (done < 1_000) await sleep(10);
  process.kill(daemon.pid, 'SIGSTOP');
  await sleep(12_000);
  process.kill(daemon.pid, 'SIGCONT');
  const then = done;
  while (done < then + 1_000) await sleep(10);
  running = false;
  await lanes;
  t.same(workersOf(daemon.pid), before);
  t.notMatch(daemon.stderr, /worker-lost/);
});

void t.test('health reports hanging workers within seconds, even without requests', async (t) => {
  const daemon = await TestDaemon.start(t);
  // The daemon is ready with its first worker.
  while (workersOf(daemon.pid).length < 2) await sleep(50);
  const workers = workersOf(daemon.pid);
  // A worker that reads the whole token, as after a start, may take long and does not count as hanging.
  const used = () => workers.map(ticksOf).join();
  for (let before = ''; before !== used(); await sleep(500)) before = used();
  for (const pid of workers) process.kill(pid, 'SIGSTOP');
  t.teardown(() => {
    for (const pid of workersOf(daemon.pid)) process.kill(pid, 'SIGCONT');
  });
  const health = async () => {
    for (let tries = 0; tries < 200; tries++) {
      const found = await daemon.health();
      if (!found.healthy) return found;
      await sleep(100);
    }
    return daemon.health();
  };
  t.match(await health(), { healthy: false, warnings: [/workers of the default key store hang/] });
});
