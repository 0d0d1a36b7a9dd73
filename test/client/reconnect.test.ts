import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import t from 'tap';
import type { WebSocket } from 'ws';
import { connect } from '../../client/index.js';
import { encodeError } from '../../proto/codec/frames.js';
import { exceptions } from '../../proto/errors.js';
import { credentials, Peer, startClient, startPeer, until } from './peer.js';

void t.test('requests that are safe to repeat are sent again; others fail with OutcomeUnknown', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  peer.onRequest = () => undefined;
  const names = [
    'encrypt',
    'decrypt',
    'reEncrypt',
    'generateDataKey',
    'generateRandom',
    'describeKey',
    'listKeys',
  ];
  const methods = client as unknown as Record<string, (request: object) => Promise<unknown>>;
  const call = (name: string) => methods[name]?.({}) ?? Promise.reject(new Error(`there is no ${name}`));
  const safe = names.map(call);
  const unsafe = ['createKey', 'createAlias', 'enableKey', 'disableKey'].map(call);
  const failures = Promise.all(unsafe.map((request) => request.catch((error: unknown) => error)));
  await until(() => peer.received.length === 11);
  peer.onRequest = ({ answer }) => {
    answer();
  };
  peer.breakAll();
  for (const failure of await failures)
    t.match(failure, { name: 'ConnectionError', code: 'OutcomeUnknown', retryable: true });
  await Promise.all(safe);
  const again = peer.received.slice(11).map(({ operation }) => operation?.field);
  t.strictSame(again, names, 'these requests are sent again in their order, and no others');
  t.equal(peer.upgrades.length, 2);
});

void t.test('requests made while the daemon restarts are served when it is back', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  await client.listKeys({});
  await peer.stop();
  await t.rejects(client.listKeys({}, { timeout: 20 }), 'the client has seen that the daemon is gone');
  const created = client.createKey({});
  const listed = client.listKeys({});
  const back = new Peer(peer.path);
  t.teardown(() => back.stop());
  setTimeout(() => void back.listen(), 200);
  t.strictSame(await created, {}, 'a request that was never sent is safe to send');
  t.strictSame(await listed, { keys: [] });
});

void t.test('while no daemon answers, requests fail at their time-out with the reason', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  await peer.stop();
  const start = performance.now();
  await t.rejects(client.listKeys({}, { timeout: 300 }), {
    name: 'ConnectionError',
    code: 'NotConnected',
    retryable: true,
    message: /No daemon answers at unix:.*start it with .\/scripts\/start/,
  });
  t.ok(performance.now() - start >= 299);
});

void t.test('with withdrawn credentials requests fail at once, after one attempt each', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  const gone = { code: 'UnrecognizedClientException', message: 'gone' };
  peer.refusal = { status: 400, body: '{"__type":"UnrecognizedClientException","message":"gone"}' };
  peer.breakAll();
  // This request is safe to repeat, whether or not the client has noticed that its connection ended.
  await t.rejects(client.listKeys({}), gone);
  const before = peer.upgrades.length;
  await Promise.all([t.rejects(client.listKeys({}), gone), t.rejects(client.createKey({}), gone)]);
  t.equal(peer.upgrades.length, before + 1);
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.equal(peer.upgrades.length, before + 1, 'the client makes no attempts without a request');
  peer.refusal = undefined;
  t.strictSame(await client.enableKey({ keyId: 'x' }), {}, 'a later request makes another attempt');
});

void t.test('a request that breaks every connection is given up after three connections', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  peer.onRequest = ({ webSocket, id }) => {
    webSocket.send(encodeError(0, new exceptions.ValidationException(`no frame, ${id}`)), () => {
      webSocket.close(1002);
    });
  };
  const error = await client.listKeys({}).catch((error: unknown) => error as Error);
  t.match(error, { code: 'ConnectionLost', cause: { code: 'ValidationException' } });
  t.equal(peer.received.length, 3);
});

void t.test('attempts to reach a daemon that closes every connection have pauses', async (t) => {
  const goodbyes = [
    (webSocket: WebSocket) => {
      webSocket.close(1013);
    },
    (_webSocket: WebSocket, stream: Socket) => {
      stream.end();
    },
  ];
  for (const goodbye of goodbyes) {
    const peer = await startPeer(t);
    const client = await startClient(t, peer);
    peer.breakAll();
    await until(() => peer.connections === 0);
    peer.onConnection = goodbye;
    const before = peer.upgrades.length;
    const error = await client.listKeys({}, { timeout: 1_000 }).catch((error: unknown) => error);
    t.match(error, { name: 'ConnectionError', retryable: true });
    const tries = peer.upgrades.length - before;
    // The pauses grow and are random. Without them there would be thousands of attempts.
    t.ok(tries >= 1 && tries < 100, `${tries} attempts`);
    peer.onConnection = () => undefined;
    t.strictSame(await client.listKeys({}), { keys: [] });
  }
});

void t.test('a connection whose peer is dead is given up after a request timed out', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer, { connectTimeout: 1_000 });
  peer.onRequest = ({ webSocket }) => {
    // Nothing is read from here on: neither requests nor pings.
    webSocket.pause();
  };
  await t.rejects(client.listKeys({}, { timeout: 50 }), { code: 'Timeout' });
  peer.onRequest = ({ answer }) => {
    answer();
  };
  t.strictSame(await client.listKeys({}), { keys: [] }, 'a second connection serves the request');
  t.equal(peer.upgrades.length, 2);
});

void t.test('close returns although the daemon is down', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  await peer.stop();
  const waiting = client.listKeys({}, { timeout: 100 }).catch((error: unknown) => error);
  await client.close();
  t.match(await waiting, { code: 'NotConnected' });
});

void t.test('connecting to nothing fails at once and says what to do', async (t) => {
  const peer = await startPeer(t);
  await peer.stop();
  const message = /No daemon answers at unix:.*start it with .\/scripts\/start/;
  // A client that waited would exceed the time-out of the test.
  const options = { credentials, connectTimeout: 3_600_000 };
  const expected = { name: 'ConnectionError', code: 'NotConnected', retryable: true, message };
  await t.rejects(connect({ url: peer.url, ...options }), expected, 'connecting to a missing socket fails');
  const stale = createServer();
  await new Promise<void>((resolve) => stale.listen(0, '127.0.0.1', resolve));
  const { port } = stale.address() as { port: number };
  await new Promise((resolve) => stale.close(resolve));
  await t.rejects(connect({ url: `wss://127.0.0.1:${port}/`, ...options }), { code: 'NotConnected' });
});

void t.test('connecting to a server that stays silent fails at the time-out, or when aborted', async (t) => {
  const peer = await startPeer(t);
  await peer.stop();
  rmSync(peer.path, { force: true });
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(peer.path, resolve));
  t.teardown(() => silent.close());
  const options = { url: peer.url, credentials };
  await t.rejects(connect({ ...options, connectTimeout: 100 }), {
    code: 'NotConnected',
    message: /did not answer in 100 ms/,
  });
  const reason = new Error('enough');
  const controller = new AbortController();
  setTimeout(() => {
    controller.abort(reason);
  }, 20);
  await t.rejects(connect({ ...options, signal: controller.signal }), reason);
  await t.rejects(connect({ ...options, signal: controller.signal }), reason);
});

void t.test(
  'a refused upgrade is the error that the daemon named, or says that this is no daemon',
  async (t) => {
    const peer = await startPeer(t);
    const options = { url: peer.url, credentials };
    const refusals = [
      [400, '{"__type":"IncompleteSignatureException","message":"m"}', 'IncompleteSignatureException'],
      [403, '{"__type":"com.amazonaws.kms#AccessDeniedException"}', 'AccessDeniedException'],
      [400, '{"__type":"SomethingElse","message":"m"}', 'NotADaemon'],
      [404, '<html>', 'NotADaemon'],
      [200, '{}', 'NotADaemon'],
      [301, '', 'NotADaemon'],
      [503, 'busy', 'NotConnected'],
      [404, 'x'.repeat(1_000_000), 'NotADaemon'],
    ] as const;
    for (const [status, body, code] of refusals) {
      peer.refusal = { status, body };
      await t.rejects(connect(options), { code }, `${status} ${body.slice(0, 60)}`);
    }
  },
);

void t.test('an invalid address is refused with the valid forms', async (t) => {
  for (const url of ['http://localhost', 'ws://localhost', '/path', 'unix:relative', 'wss:', ''])
    await t.rejects(connect({ url, credentials }), { code: 'InvalidEndpoint' }, url);
});
