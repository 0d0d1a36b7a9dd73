// A NAT or load balancer that forgets a connection: packets in both directions are dropped silently.
import { once } from 'node:events';
import { connect as connectTo, createServer } from 'node:net';
import t, { type Test } from 'tap';
import { Link, type LinkHandlers, livenessFor } from '../../client/connection/link.js';
import { settings } from '../../client/options.js';
import { openSocket } from '../../client/connection/socket.js';
import { TestDaemon } from '../support/daemon.js';
import { credentials, startPeer, until } from './peer.js';

/** A proxy in front of the daemon's TLS port. */
async function startProxy(t: Test, daemon: TestDaemon) {
  const carried: { dropped: boolean }[] = [];
  const target = new URL(daemon.wss);
  const proxy = createServer((client) => {
    const server = connectTo(Number(target.port), target.hostname);
    const state = { dropped: false };
    carried.push(state);
    client.on('data', (data) => state.dropped || server.write(data));
    server.on('data', (data) => state.dropped || client.write(data));
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => undefined);
      one.on('close', () => state.dropped || other.destroy());
    }
    t.teardown(() => [client, server].forEach((each) => each.destroy()));
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.teardown(() => proxy.close());
  const { port } = proxy.address() as { port: number };
  return {
    url: `wss://127.0.0.1:${port}/`,
    /** Number of connections so far. */
    get connections() {
      return carried.length;
    },
    /** From now on open connections forward nothing in either direction. */
    drop: () => carried.forEach((state) => (state.dropped = true)),
  };
}

void t.test('a connection that died silently', { timeout: 180_000 }, async (t) => {
  const daemon = await TestDaemon.start(t);
  const proxy = await startProxy(t, daemon);
  const client = await daemon.connect({ url: proxy.url, ca: daemon.ca, timeout: 12_000 });
  t.teardown(() => client.close());
  const keyId = (await client.createKey({})).keyMetadata.keyId;
  const encrypt = () => client.encrypt({ keyId, plaintext: Buffer.from('x') });

  await t.test('is noticed by requests in flight, which are repeated within their time-out', async (t) => {
    proxy.drop();
    const start = performance.now();
    const { ciphertextBlob } = await encrypt();
    t.ok(performance.now() - start < 12_000);
    t.equal(proxy.connections, 2);
    t.same(Buffer.from((await client.decrypt({ ciphertextBlob })).plaintext), Buffer.from('x'));
    t.equal(proxy.connections, 2, 'the new connection is kept');
  });

  await t.test('carries no request that must not be repeated after a silence', async (t) => {
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    proxy.drop();
    t.match(await client.createKey({ description: 'once' }), { keyMetadata: { description: 'once' } });
    t.equal(daemon.events('CreateKey').length, 2, 'the request is executed once');
  });

  await t.test('carries nothing after a time-out: the next request gets a new connection', async (t) => {
    await encrypt();
    proxy.drop();
    const lost = client.createKey({}, { timeout: 300 });
    await t.rejects(lost, { code: 'Timeout' });
    t.match(
      await client.createKey({}),
      { keyMetadata: { keyState: 'Enabled' } },
      'the request does not fail with OutcomeUnknown',
    );
    await encrypt();
  });

  await t.test('fails requests that must not be repeated before their time-out', async (t) => {
    await encrypt();
    proxy.drop();
    const start = performance.now();
    await t.rejects(client.createKey({}), { code: 'OutcomeUnknown', cause: { message: /ping/ } });
    t.ok(performance.now() - start < 12_000);
  });

  await t.test('does not keep close() waiting', async () => {
    await encrypt();
    proxy.drop();
    await client.close();
  });
});

void t.test('a link', async (t) => {
  const peer = await startPeer(t);
  const open = async (handlers: Partial<LinkHandlers>) => {
    const liveness = { interval: 20, patience: 3, idle: 5 };
    const events: string[] = [];
    const link = new Link(
      await openSocket(await settings({ url: peer.url, credentials }, {})),
      {
        onFrame: () => undefined,
        onProven: () => events.push('proven'),
        onDown: (_link, { message }) => events.push(message),
        isAwaited: () => false,
        ...handlers,
      },
      liveness,
    );
    t.teardown(() => link.close());
    return { link, events };
  };

  await t.test('is kept while it is idle and its peer answers pings', async (t) => {
    const { link, events } = await open({});
    await until(() => events.filter((event) => event === 'proven').length >= 3);
    t.ok(link.usable);
    t.notOk(events.some((event) => event !== 'proven'));
  });

  await t.test('is given up while it is idle and pings are not answered', async (t) => {
    peer.onConnection = (webSocket) => webSocket.pause();
    const { link, events } = await open({});
    await until(() => events.length > 0);
    t.same(events, ['The daemon did not answer a ping.']);
    t.notOk(link.isOpen);
    peer.onConnection = () => undefined;
  });

  await t.test('survives a pause of this process in which nothing was read', async (t) => {
    const { link, events } = await open({ isAwaited: () => true });
    for (let round = 0; round < 5; round++) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    await until(() => link.usable);
    t.notOk(events.some((event) => event !== 'proven'));
  });

  void t.test('is given up within half of a time-out, and never in under a second', (t) => {
    for (const timeout of [4_000, 12_000, 30_000, 120_000]) {
      const { interval, patience } = livenessFor(timeout);
      const longest = interval * (2 + patience + 1);
      t.ok(longest < timeout / 2 && longest > 1_000, `${timeout}: ${longest}`);
    }
    t.end();
  });
});
