// Time in which the daemon was stopped does not count against its workers. This process acts as the daemon; a shell stops it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { lives } from '../support/processes.js';
import { connectTo, makeToken, newKey, pids, until } from './token.js';

const aad = Buffer.alloc(5);
const deadline = 1_000;
/** Longer than the deadline and all waits. */
const config = {
  workers: 2,
  maxWait: 800,
  patience: 1_500,
  deadlines: { encrypt: deadline, probe: deadline, refreshHandles: deadline, generateKey: deadline },
};

/** Stops processes, this one last, for three seconds, and continues them in turn. @returns the end of the shell */
function standStill(others: readonly number[]): Promise<unknown> {
  const list = others.join(' ');
  const stop = others.length > 0 ? `kill -STOP ${list};` : '';
  const resume = others.length > 0 ? `kill -CONT ${list};` : '';
  const script = `${stop} kill -STOP ${process.pid}; sleep 3; ${resume} kill -CONT ${process.pid}`;
  return once(spawn('/bin/sh', ['-c', script], { stdio: 'ignore' }), 'close');
}

async function begin(t: Test) {
  const { store, events } = await connectTo(t, makeToken(t), config);
  await until(() => pids(events).length === 2);
  return { store, events, key: { suite: 1, id: await newKey(store) } as const };
}

for (const [name, stopped] of [
  ['alone', false],
  ['with its workers', true],
] as const) {
  void t.test(`the daemon is stopped ${name}, for longer than the deadline`, async (t) => {
    const { store, events, key } = await begin(t);
    const before = pids(events);
    let [running, done] = [true, 0];
    const client = async () => {
      for (; running; done++) await store.encrypt(key, aad, aad);
    };
    // Enough for both workers, with some waiting.
    const clients = Promise.all(Array.from({ length: 400 }, client));
    await until(() => done > 1_000);
    const began = performance.now();
    await standStill(stopped ? before : []);
    t.ok(performance.now() - began > 2_500, 'this process was stopped');
    const doneThen = done;
    await until(() => done > doneThen + 1_000);
    running = false;
    await clients;
    await new Promise((resolve) => setTimeout(resolve, 300));
    t.same(
      events.filter(({ type }) => type === 'worker-lost'),
      [],
    );
    t.same(pids(events), before, 'no worker was replaced');
    t.ok(before.every(lives));
    t.notOk(store.hangs);
  });
}

void t.test('a worker that hangs during a stop gets its whole deadline, and no more', async (t) => {
  const { store, events, key } = await begin(t);
  const before = pids(events);
  for (const pid of before) process.kill(pid, 'SIGSTOP');
  const answered = store.encrypt(key, aad, aad).catch(() => undefined);
  await standStill([]);
  t.ok(before.every(lives), 'no worker was killed because of the time of the stop');
  await until(() => !before.some(lives));
  await answered;
  await until(() => store.state === 'connected');
  await store.encrypt(key, aad, aad);
});

void t.test('hanging workers are noticed without any requests, and replaced', async (t) => {
  const { store, events } = await begin(t);
  const before = pids(events);
  t.equal(store.hangs, false);
  const [first, second] = before as [number, number];
  process.kill(first, 'SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, 700));
  t.equal(store.hangs, false, 'a store with one of two workers hanging is not hanging');
  process.kill(second, 'SIGSTOP');
  await until(() => pids(events).length === 4);
  t.notOk(before.some(lives));
  t.match(
    events.filter(({ type }) => type === 'worker-lost'),
    [{ reason: /no answer to probe/ }, { reason: /no answer to probe/ }],
  );
});

void t.test('a store is hanging if none of its workers answers', async (t) => {
  const { store, events } = await connectTo(t, makeToken(t), { workers: 2 });
  await until(() => pids(events).length === 2);
  for (const pid of pids(events)) process.kill(pid, 'SIGSTOP');
  await until(() => store.hangs, 5_000);
  t.equal(store.state, 'connected');
  for (const pid of pids(events)) process.kill(pid, 'SIGCONT');
  await until(() => !store.hangs, 5_000);
  t.same(
    events.filter(({ type }) => type === 'worker-lost'),
    [],
    'workers that continue in time are kept',
  );
});
