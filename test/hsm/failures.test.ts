import { randomBytes } from 'node:crypto';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { lives } from '../support/processes.js';
import { AES_256, P_256, connectTo, makeToken, newKey, pids, until } from './token.js';

const aad = Buffer.alloc(5);

void t.test('workers that are killed under load lose no job, and are replaced', async (t) => {
  const { store, events } = await connectTo(t, makeToken(t), { workers: 2 });
  await until(() => pids(events).length === 2);
  const key = { suite: 1, id: await newKey(store) } as const;
  let running = true;
  let done = 0;
  const client = async (): Promise<void> => {
    for (let n = 0; running; n++) {
      const plaintext = Buffer.from(`${n}`);
      const message = await store.encrypt(key, aad, plaintext);
      const decrypted = await store.decrypt(key, aad, message);
      if (!decrypted.equals(plaintext)) throw new Error('This is another job’s answer');
      done += 2;
    }
  };
  const clients = Array.from({ length: 100 }, client);
  for (let kill = 0; kill < 3; kill++) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    const before = pids(events).length;
    process.kill(pids(events).filter(lives).at(-1) ?? 0, 'SIGKILL');
    await until(() => pids(events).length > before);
  }
  running = false;
  await Promise.all(clients);
  t.ok(done > 1000, `${done} jobs`);
  t.equal(events.filter(({ type }) => type === 'worker-lost').length, 3);
  t.notOk(events.some(({ type }) => type === 'job-abandoned'));
});

void t.test('one worker creates keys while others use theirs without a pause, and vice versa', async (t) => {
  const { store } = await connectTo(t, makeToken(t), { workers: 1 });
  const key = { suite: 1, id: await newKey(store) } as const;
  let [running, encrypted, made] = [true, 0, 0];
  const asking = async (): Promise<void> => {
    for (; running; encrypted++) await store.encrypt(key, aad, aad);
  };
  const making = async (): Promise<void> => {
    for (; running; made++) await newKey(store);
  };
  // More than fit in one frame, so the worker always has unanswered jobs.
  const lanes = Array.from({ length: 200 }, asking);
  await until(() => encrypted > 1_000);
  lanes.push(...Array.from({ length: 4 }, making));
  await until(() => made >= 20);
  const before = encrypted;
  await until(() => encrypted > before + 1_000);
  running = false;
  await Promise.all(lanes);
  t.ok(made >= 20, `${made} keys created during ${encrypted} encryptions`);
});

void t.test('a worker that hangs is killed at the deadline and its work repeated', async (t) => {
  const { store, events } = await connectTo(t, makeToken(t), { workers: 2, deadlines: { encrypt: 300 } });
  await until(() => pids(events).length === 2);
  const key = { suite: 1, id: await newKey(store) } as const;
  await store.encrypt(key, aad, aad);
  const [first] = pids(events);
  for (const pid of pids(events)) process.kill(pid, 'SIGSTOP');
  const jobs = Array.from({ length: 300 }, () => store.encrypt(key, aad, aad));
  process.kill(pids(events)[1] ?? 0, 'SIGCONT');
  t.equal((await Promise.all(jobs)).length, 300);
  await until(() => !lives(first ?? 0));
  t.match(
    events.find(({ type }) => type === 'worker-lost'),
    { reason: /no answer to encrypt in 300 ms/, pid: first },
  );
  await until(() => pids(events).length === 3);
});

void t.test('a job that kills two workers fails and is reported', async (t) => {
  const token = makeToken(t);
  // Created by another store, so that no worker is busy refreshing handles.
  const key = { suite: 1, id: await newKey((await connectTo(t, token)).store) } as const;
  const { store, events } = await connectTo(t, token, {
    workers: 2,
    deadlines: { encrypt: 200 },
  });
  await until(() => pids(events).length === 2);
  for (const pid of pids(events)) process.kill(pid, 'SIGSTOP');
  await t.rejects(store.encrypt(key, aad, aad), { code: 'timeout' });
  t.match(
    events.filter(({ type }) => type === 'job-abandoned'),
    [{ kind: 'encrypt', ids: [key.id.toString('hex')] }],
  );
});

void t.test('a job that must not be repeated fails when its worker dies', async (t) => {
  const { store, events } = await connectTo(t, makeToken(t), { deadlines: { generateKeyPair: 3_000 } });
  await newKey(store);
  process.kill(pids(events)[0] ?? 0, 'SIGSTOP');
  await t.rejects(store.generate(randomBytes(16), 'pair', P_256), { code: 'timeout' });
  await newKey(store, P_256);
});

void t.test('jobs wait a while for a worker, then fail; the store recovers by itself', async (t) => {
  const token = makeToken(t);
  const { store, events } = await connectTo(t, token, { maxWait: 400 });
  const key = { suite: 1, id: await newKey(store) } as const;
  const tokens = join(token.home, 'tokens');
  renameSync(tokens, `${tokens}-away`);
  process.kill(pids(events)[0] ?? 0, 'SIGKILL');
  await until(() => store.state === 'disconnected');
  await t.rejects(store.encrypt(key, aad, aad), { code: 'unavailable' });
  await until(() =>
    events.some((event) => event.type === 'start-failed' && event.error.code === 'unavailable'),
  );
  renameSync(`${tokens}-away`, tokens);
  await until(() => store.state === 'connected');
  await store.encrypt(key, aad, aad);
  t.strictSame(
    events.flatMap((event) => (event.type === 'state' ? [event.state] : [])),
    ['connected', 'disconnected', 'connected'],
  );
});

void t.test('a token that vanishes is unavailable, not empty, and recovers by itself', async (t) => {
  const token = makeToken(t);
  const { store, events } = await connectTo(t, token, { maxWait: 300 });
  const id = await newKey(store);
  const tokens = join(token.home, 'tokens');
  const asked: (() => Promise<unknown>)[] = [
    () => store.exists(id),
    () => store.destroy(id),
    () => store.generate(randomBytes(16), 'key', AES_256),
    () => store.encrypt({ suite: 1, id: randomBytes(16) }, aad, aad),
  ];
  for (const ask of asked) {
    renameSync(tokens, `${tokens}-away`);
    await t.rejects(ask, { code: 'unavailable' });
    renameSync(`${tokens}-away`, tokens);
    await until(() => store.state === 'connected' && events.at(-1)?.type !== 'worker-lost');
  }
  t.equal(await store.exists(id), true);
  await store.encrypt({ suite: 1, id }, aad, aad);
});

void t.test('jobs beyond the queue are refused at once, and the others done', async (t) => {
  const { store } = await connectTo(t, makeToken(t), { maxQueued: 50 });
  const key = { suite: 1, id: await newKey(store) } as const;
  const answers = await Promise.allSettled(Array.from({ length: 80 }, () => store.encrypt(key, aad, aad)));
  const refused = answers.filter((answer) => answer.status === 'rejected');
  t.equal(refused.length, 30);
  for (const answer of refused) t.match(answer.reason, { code: 'overloaded' });
});

void t.test('one pair is generated at a time, and another worker does other jobs meanwhile', async (t) => {
  const { store, events } = await connectTo(t, makeToken(t), { workers: 2 });
  await until(() => pids(events).length === 2);
  const key = { suite: 1, id: await newKey(store) } as const;
  let pairs = 0;
  const generated = Promise.all(
    Array.from({ length: 6 }, async () => {
      await store.generate(randomBytes(16), 'pair', P_256);
      pairs++;
    }),
  );
  await store.encrypt(key, aad, aad);
  t.ok(pairs < 6);
  await generated;
  await Promise.all(Array.from({ length: 5 }, () => store.generate(randomBytes(16), 'key', AES_256)));
});

void t.test('close answers jobs in flight, then refuses, and leaves no process', async (t) => {
  const { store, events } = await connectTo(t, makeToken(t), { workers: 2 });
  await until(() => pids(events).length === 2);
  const key = { suite: 1, id: await newKey(store) } as const;
  const jobs = Array.from({ length: 1000 }, () => store.encrypt(key, aad, aad));
  const closed = store.close();
  await t.rejects(store.encrypt(key, aad, aad), { code: 'disconnected', message: /closed/ });
  t.equal((await Promise.all(jobs)).length, 1000);
  await closed;
  t.equal(store.state, 'closed');
  t.notOk(pids(events).some(lives));
});
