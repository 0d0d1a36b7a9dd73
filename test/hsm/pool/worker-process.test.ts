import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pkcs11 from 'pkcs11js';
import t, { type Test } from 'tap';
import type { KeyTemplate } from '../../../daemon/hsm/key-store.js';
import { FrameReader, FrameWriter, forEachMessage } from '../../../daemon/hsm/frames.js';
import type { StartSettings } from '../../../daemon/hsm/start-settings.js';
import { jobs } from '../../../daemon/hsm/jobs/table.js';
import { lives, ticksOf, workersOf } from '../../support/processes.js';
import { LIBRARY, PIN, SPY, connectTo, makeToken, newKey, pids, until } from '../token.js';

const WORKER = fileURLToPath(new URL('../../../daemon/hsm/worker/main.js', import.meta.url));
const HERE = dirname(fileURLToPath(import.meta.url));

function spawnWorker(env: Record<string, string>): { child: ChildProcess; channel: Socket } {
  const child = spawn(process.execPath, [WORKER, String(process.pid)], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env,
  });
  return { child, channel: child.stdio[3] as Socket };
}

void t.test('the worker’s end of the channel blocks, and it waits without using the processor', async (t) => {
  const { events } = await connectTo(t, makeToken(t));
  const [pid] = pids(events);
  const flags = /flags:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/fdinfo/3`, 'utf8'))?.[1] ?? '';
  const O_NONBLOCK = 0o4000;
  t.equal(parseInt(flags, 8) & O_NONBLOCK, 0);
  // A worker that has just started is still compiling. One that polls is never idle.
  let used = Infinity;
  for (let tries = 0; tries < 20 && used > 2; tries += 1) {
    const before = ticksOf(pid!);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    used = ticksOf(pid!) - before;
  }
  t.ok(used <= 2, 'it uses at most 20 ms in some second');
});

void t.test(
  'frames that arrive byte by byte are answered; the end of the channel ends the worker',
  async (t) => {
    const token = makeToken(t);
    const { child, channel } = spawnWorker(token.env);
    const writer = new FrameWriter();
    const settings: StartSettings = {
      library: LIBRARY,
      token: { label: token.label },
      sessionCopies: 1,
      quirks: {},
      sparesTries: false,
      describeToken: true,
    };
    writer.add(7, jobs.start.code, 0, jobs.start.arguments.encode({ settings, pin: Buffer.from(PIN) }));
    writer.add(8, jobs.random.code, 0, jobs.random.arguments.encode({ length: 16 }));
    writer.add(9, jobs.random.code, 0, []);
    writer.add(10, 200, 0, []);
    for (const byte of writer.take()) {
      channel.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    const answers: { id: number; status: number; parts: string[] }[] = [];
    const reader = new FrameReader();
    channel.on('data', (chunk: Buffer) =>
      reader.push(chunk, (frame) =>
        forEachMessage(frame, (id, status, _, parts) =>
          answers.push({ id, status, parts: parts.map((part) => part.toString('latin1')) }),
        ),
      ),
    );
    await until(() => answers.length === 4);
    t.match(answers, [
      { id: 7, status: 0, parts: [/^\{"objects":\[\],"mechanisms":\[\[/] },
      { id: 8, status: 0, parts: [/^.{16}$/s] },
      { id: 9, parts: [/0 parts, not 1/] },
      { id: 10, parts: [/does not expect/] },
    ]);
    t.ok(answers[2]?.status !== 0 && answers[3]?.status !== 0);
    const ended = once(child, 'exit');
    channel.end();
    t.strictSame(await ended, [0, null]);
  },
);

void t.test('a slow job does not delay the results of earlier jobs', async (t) => {
  const token = makeToken(t);
  const { child, channel } = spawnWorker(token.env);
  const settings: StartSettings = {
    library: LIBRARY,
    token: { label: token.label },
    sessionCopies: 1,
    quirks: {},
    sparesTries: false,
    describeToken: false,
  };
  const rsa: KeyTemplate = {
    mechanism: pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN,
    attributes: [[pkcs11.CKA_SIGN, true]],
    publicAttributes: [
      [pkcs11.CKA_MODULUS_BITS, 2048],
      [pkcs11.CKA_PUBLIC_EXPONENT, '010001'],
    ],
  };
  const writer = new FrameWriter();
  const length = jobs.random.arguments.encode({ length: 16 });
  writer.add(1, jobs.start.code, 0, jobs.start.arguments.encode({ settings, pin: Buffer.from(PIN) }));
  writer.add(2, jobs.random.code, 0, length);
  writer.add(3, jobs.random.code, 0, length);
  const pair = jobs.generateKeyPair.arguments.encode({
    id: Buffer.alloc(16, 1),
    label: 'rsa',
    template: rsa,
  });
  writer.add(4, jobs.generateKeyPair.code, 0, pair);
  writer.add(5, jobs.random.code, 0, length);
  channel.write(writer.take());
  const frames: number[][] = [];
  const reader = new FrameReader();
  channel.on('data', (chunk: Buffer) =>
    reader.push(chunk, (frame) => {
      const ids: number[] = [];
      forEachMessage(frame, (id, status) => ids.push(status === 0 ? id : -id));
      frames.push(ids);
    }),
  );
  await until(() => frames.flat().length === 5);
  t.strictSame(frames.flat(), [1, 2, 3, 4, 5]);
  t.notOk(frames.find((ids) => ids.includes(4))?.some((id) => id < 4));
  channel.end();
  await once(child, 'exit');
});

void t.test('jobs before a login are refused', async (t) => {
  const { child, channel } = spawnWorker({});
  const writer = new FrameWriter();
  writer.add(1, jobs.random.code, 0, jobs.random.arguments.encode({ length: 16 }));
  channel.write(writer.take());
  const [chunk] = (await once(channel, 'data')) as [Buffer];
  t.match(chunk.toString('latin1'), /does not expect/);
  channel.end();
  await once(child, 'exit');
});

void t.test('an invalid frame ends the worker', async (t) => {
  const { child, channel } = spawnWorker({});
  channel.on('error', () => undefined);
  channel.write(Buffer.from([4, 0, 0, 0, 9, 9, 9, 9]));
  const [code] = (await once(child, 'exit')) as [number];
  t.not(code, 0);
});

void t.test('SIGINT and SIGTERM do nothing to a worker', async (t) => {
  const { store, events } = await connectTo(t, makeToken(t));
  const key = { suite: 1, id: await newKey(store) } as const;
  const [pid = 0] = pids(events);
  for (let n = 0; n < 50; n++) {
    process.kill(pid, 'SIGINT');
    process.kill(pid, 'SIGTERM');
    await store.encrypt(key, Buffer.alloc(1), Buffer.alloc(1));
  }
  t.ok(lives(pid));
  t.strictSame(pids(events), [pid]);
});

function startDaemon(t: Test, library: string, label: string, env: Record<string, string>): ChildProcess {
  const daemon = spawn(
    process.execPath,
    [join(HERE, 'daemon-to-kill.js'), library, label, JSON.stringify(env)],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  t.teardown(() => daemon.kill('SIGKILL'));
  return daemon;
}

/** The workers of a daemon that have begun their own program. */
void t.test('a daemon that is killed leaves no worker', async (t) => {
  const token = makeToken(t);
  const daemon = startDaemon(t, LIBRARY, token.label, token.env);
  let workers: number[] = [];
  // During exec a process has no command line for a moment.
  await until(() => (workers = workersOf(daemon.pid!)).length === 2);
  daemon.kill('SIGKILL');
  await until(() => !workers.some(lives));
  t.equal(workers.length, 2);
});

void t.test('a worker whose module hangs in a call ends within 2 s too', async (t) => {
  const token = makeToken(t);
  // The spy opens its log when it is loaded, which blocks until something reads from the other end.
  const pipe = join(token.home, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const env = { ...token.env, PKCS11SPY: LIBRARY, PKCS11SPY_OUTPUT: pipe };
  const daemon = startDaemon(t, SPY, token.label, env);
  await until(() => workersOf(daemon.pid!).some((pid) => hangsInOpen(pid)));
  const workers = workersOf(daemon.pid!);
  daemon.kill('SIGKILL');
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.ok(workers.every(lives), 'workers in a hanging call do not notice the end of the channel');
  await until(() => !workers.some(lives), 1700);
});

function hangsInOpen(pid: number): boolean {
  return (
    readFileSync(`/proc/${pid}/wchan`, 'latin1').includes('fifo') ||
    readFileSync(`/proc/${pid}/syscall`, 'latin1').startsWith('257 ')
  );
}
