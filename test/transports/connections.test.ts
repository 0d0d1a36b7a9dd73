// Unauthenticated clients cannot lock others out by holding connections, in any state.
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import t, { type Test } from 'tap';
import { send } from '../support/aws/aws-request.js';
import { TestDaemon } from '../support/daemon.js';
import { upgrade } from '../support/wire/upgrade.js';

const limits = `listen:
  http:
    port: 0
limits:
  unauthenticatedConnections: 24
  unauthenticatedConnectionsPerSource: 12`;

const wait = (time: number) => new Promise((done) => setTimeout(done, time));
const portOf = (daemon: TestDaemon) => Number(new URL(daemon.wss).port);
const httpOf = (daemon: TestDaemon) => new URL(/http:\/\/[^ ]+\//.exec(daemon.stdout)![0]);
const descriptors = (daemon: TestDaemon) => readdirSync(`/proc/${daemon.pid}/fd`).length;

/** A connection whose replies are ignored. */
function held<S extends Socket>(t: Test, socket: S): S {
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  return socket;
}

async function answers(t: Test, daemon: TestDaemon, state: string): Promise<void> {
  t.equal((await send(daemon)).status, 200, `${state}: TLS`);
  t.equal((await send(daemon, { over: 'unix' })).status, 200, `${state}: unix socket`);
  t.equal((await send(daemon, { over: httpOf(daemon) })).status, 200, `${state}: HTTP`);
  const { webSocket } = await upgrade(daemon, {}, daemon.wss);
  webSocket.terminate();
}

/** The first bytes of a longer ClientHello. */
const half = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);

void t.test('idle and unfinished connections lock nobody out', async (t) => {
  const daemon = await TestDaemon.start(t, limits);
  const before = descriptors(daemon);
  const port = portOf(daemon);
  const path = join(daemon.home, 'keyhold.sock');
  const tls = (alpn: string) =>
    connectTls({ port, host: '127.0.0.1', ca: daemon.ca, servername: 'localhost', ALPNProtocols: [alpn] });
  const states: Readonly<Record<string, () => void>> = {
    'TCP alone': () => held(t, connect(port, '127.0.0.1')),
    'half a handshake': () => void held(t, connect(port, '127.0.0.1')).write(half),
    'no TLS': () => void held(t, connect(port, '127.0.0.1')).write('GET / HTTP/1.1\r\n\r\n'),
    'half closed': () => void held(t, connect({ port, host: '127.0.0.1', allowHalfOpen: true })).end(half),
    'HTTP/1.1 without a request': () => held(t, tls('http/1.1')),
    'HTTP/1.1, half a request': () => void held(t, tls('http/1.1')).write('POST / HTTP/1.1\r\nHost: a\r\n'),
    'HTTP/2 without a stream': () => {
      const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: daemon.ca, servername: 'localhost' });
      session.on('error', () => undefined);
      t.teardown(() => session.destroy());
    },
    'a request of health': () =>
      void held(t, tls('http/1.1')).write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n'),
    'HTTP without TLS': () => held(t, connect(Number(httpOf(daemon).port), '127.0.0.1')),
    'unix socket': () => held(t, connect(path)),
    'unix socket, half a request': () => void held(t, connect(path)).write('GET / HTTP/1.1\r\n'),
    'an upgrade that is refused': () =>
      void held(t, connect({ path, allowHalfOpen: true })).write(
        'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
          'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: keyhold.v1\r\n\r\n',
      ),
  };
  for (const [state, hold] of Object.entries(states)) {
    for (let index = 0; index < 40; index += 1) hold();
    await wait(200);
    // The limit, what was open before, and a margin for workers and probes.
    t.ok(descriptors(daemon) < before + 24 + 20, `${state}: ${descriptors(daemon)} descriptors`);
    await answers(t, daemon, state);
  }
  t.equal((await daemon.health()).healthy, true);
});

void t.test('a handshake that fails leaves no connection', async (t) => {
  const daemon = await TestDaemon.start(t);
  const before = descriptors(daemon);
  for (let index = 0; index < 50; index += 1)
    held(t, connect({ port: portOf(daemon), host: '127.0.0.1', allowHalfOpen: true })).write(
      'not TLS at all\r\n\r\n',
    );
  await wait(1_000);
  t.ok(descriptors(daemon) < before + 10, `${descriptors(daemon)} descriptors, ${before} before`);
});

void t.test('authenticated connections are not closed to make room for others', async (t) => {
  const daemon = await TestDaemon.start(t, limits);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  for (let index = 0; index < 60; index += 1) held(t, connect(join(daemon.home, 'keyhold.sock')));
  await wait(200);
  t.match(await client.getCallerIdentity({}), { arn: /root/ });
});

void t.test('a listener that does not answer is reported', async (t) => {
  const daemon = await TestDaemon.start(t, limits);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const ask = (path: string) =>
    new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
      const asked = request({ agent, socketPath: join(daemon.home, 'keyhold.sock'), path });
      asked.on('response', (response) => {
        let body = '';
        response.on('data', (data: Buffer) => (body += data.toString()));
        response.on('end', () => resolve({ status: response.statusCode, body }));
      });
      asked.on('error', reject).end();
    });
  const health = async () =>
    JSON.parse((await ask('/healthz')).body) as { healthy: boolean; warnings: string[] };
  const probes = async () => [(await ask('/livez')).status, (await ask('/readyz')).status];
  const setLimit = (files: number) =>
    execFileSync('prlimit', ['--pid', String(daemon.pid), `--nofile=${files}:`]);
  t.equal((await health()).healthy, true);
  t.same(await probes(), [200, 200]);
  setLimit(3);
  let told = await health();
  for (let tries = 0; tries < 200 && told.healthy; tries += 1) {
    await wait(100);
    told = await health();
  }
  t.equal(told.healthy, false);
  t.match(told.warnings.join('\n'), /the TLS port \d+ does not answer: the limit of open files is reached/);
  t.match(told.warnings.join('\n'), /the unix socket .* does not answer/);
  t.same(await probes(), [503, 503], 'the daemon is neither live nor ready');
  setLimit(1_000);
  for (let tries = 0; tries < 200 && !told.healthy; tries += 1) {
    await wait(100);
    told = await health();
  }
  t.same([told.healthy, told.warnings], [true, []]);
  t.same(await probes(), [200, 200]);
  await answers(t, daemon, 'with free descriptors');
});

void t.test('a unix socket that was removed is created again', async (t) => {
  const daemon = await TestDaemon.start(t);
  const path = join(daemon.home, 'keyhold.sock');
  const client = await daemon.connect();
  t.teardown(() => client.close());
  const until = async (done: () => boolean | Promise<boolean>) => {
    for (let tries = 0; tries < 300 && !(await done()); tries += 1) await wait(100);
    t.ok(await done());
  };
  rmSync(path);
  await until(() => statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false);
  t.equal(statSync(path).mode & 0o777, 0o660);
  t.equal((await send(daemon, { over: 'unix' })).status, 200);
  t.match(await client.getCallerIdentity({}), { arn: /root/ }, 'an older connection still works');
  rmSync(path);
  writeFileSync(path, 'something else');
  await until(() => daemon.stderr.includes('is a file, not a socket'));
  rmSync(path);
  await until(() => statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false);
  // The listener is probed again within a second.
  await until(async () => (await daemon.health()).healthy);
});

void t.test('anything else in the place of the unix socket is reported with its type', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const path = join(daemon.home, 'keyhold.sock');
  writeFileSync(path, 'mine');
  await t.rejects(daemon.start(), { message: /keyhold\.sock is a file, not a socket: move it away/ });
  rmSync(path);
  execFileSync('mkdir', [path]);
  await t.rejects(daemon.start(), { message: /is a folder, not a socket/ });
  rmSync(path, { recursive: true });
  execFileSync('ln', ['-s', '/nowhere', path]);
  await t.rejects(daemon.start(), { message: /is a symbolic link, not a socket/ });
});

void t.test('the ready line of an IPv6 address is a URL', async (t) => {
  const daemon = await TestDaemon.start(t, "listen:\n  host: '::1'\n  http:\n    host: '::1'\n    port: 0");
  t.match(daemon.wss, /^wss:\/\/\[::1\]:\d+\/$/);
  t.equal((await send(daemon, { over: httpOf(daemon) })).status, 200);
  const { webSocket } = await upgrade(daemon, {}, daemon.wss);
  webSocket.terminate();
});
