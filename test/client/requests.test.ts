import t from 'tap';
import { encodeResponse, operationShape } from '../../proto/codec/frames.js';
import { operationShapes } from '../../proto/schema/descriptor.js';
import { ConnectionError, exceptions, ServiceError, TimeoutError } from '../../client/index.js';
import { startClient, startPeer, until } from './peer.js';

void t.test('there is a method for each operation of the schema', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  const methods = client as unknown as Record<string, (request: object) => Promise<unknown>>;
  for (const { field, name } of operationShapes) {
    t.type(await methods[field]?.({}), 'object', field);
    t.equal(peer.received.at(-1)?.operation?.name, name);
  }
});

void t.test('a request and its reply arrive unchanged', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  peer.onRequest = (request) => {
    request.answer({
      ciphertextBlob: Buffer.from('sealed'),
      keyId: 'arn',
      encryptionAlgorithm: 'SYMMETRIC_DEFAULT',
    });
  };
  const request = {
    keyId: 'alias/a',
    plaintext: Buffer.from('x'),
    encryptionContext: { ['__proto__']: 'y' },
  };
  const response = await client.encrypt(request);
  t.strictSame(response.ciphertextBlob, Buffer.from('sealed'));
  t.match(response, { keyId: 'arn', encryptionAlgorithm: 'SYMMETRIC_DEFAULT' });
  const [received] = peer.received;
  t.equal(received?.message.keyId, 'alias/a');
  t.strictSame(Object.entries(received?.message.encryptionContext as object), [['__proto__', 'y']]);
  t.equal(received?.deadline, 30_000);
});

void t.test('replies find their requests in whatever order they come', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  peer.onRequest = () => {
    if (peer.received.length < 100) return;
    for (const { answer, message } of peer.received.toReversed()) answer({ keyId: message.keyId });
  };
  const ids = Array.from({ length: 100 }, (_, index) => `key-${index}`);
  const replies = await Promise.all(ids.map((keyId) => client.generateDataKey({ keyId })));
  t.strictSame(
    replies.map(({ keyId }) => keyId),
    ids,
  );
  t.equal(new Set(peer.received.map(({ id }) => id)).size, 100, 'ids are unique');
  t.equal(peer.upgrades.length, 1, 'all requests share one connection');
});

void t.test('at most maxInFlight requests are in flight, and all are served', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer, { maxInFlight: 3 });
  let open = 0;
  let most = 0;
  peer.onRequest = ({ answer }) => {
    most = Math.max(most, ++open);
    setTimeout(() => {
      open--;
      answer();
    }, 2);
  };
  await Promise.all(Array.from({ length: 20 }, () => client.listKeys({})));
  t.equal(most, 3);
  t.equal(peer.received.length, 20);
});

void t.test('the error that the daemon sends is the class of its code', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  peer.onRequest = ({ refuse }) => {
    refuse(new exceptions.NotFoundException('There is no such key.'));
  };
  const error = await client.describeKey({ keyId: 'x' }).catch((error: unknown) => error);
  t.type(error, exceptions.NotFoundException);
  t.type(error, ServiceError);
  t.match(error, { code: 'NotFoundException', message: 'There is no such key.', retryable: false });
  t.equal(peer.received.length, 1, 'a refusal is not repeated');
});

void t.test('a request that cannot be encoded is refused without being sent', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  const bad = { keyId: 'x', keySpec: 'AES_512' as 'AES_256' };
  await t.rejects(client.generateDataKey(bad), { code: 'ValidationException' });
  const lone = { keyId: 'x', plaintext: Buffer.alloc(1), encryptionContext: { a: '\ud800' } };
  await t.rejects(client.encrypt(lone), { code: 'ValidationException' });
  t.equal(peer.received.length, 0);
});

void t.test('a request without a reply ends at its time-out, which is sent to the daemon', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer, { timeout: 3_600_000 });
  const kept: (() => void)[] = [];
  peer.onRequest = ({ answer, operation }) => {
    if (operation?.name === 'Encrypt') kept.push(answer);
    else answer();
  };
  const start = performance.now();
  const slow = client.encrypt({ keyId: 'x', plaintext: Buffer.alloc(1) });
  const late = client.encrypt({ keyId: 'x', plaintext: Buffer.alloc(1) }, { timeout: 100 });
  const error = await late.catch((error: unknown) => error);
  const took = performance.now() - start;
  t.type(error, TimeoutError);
  t.match(error, { code: 'Timeout', retryable: true });
  t.ok(took >= 99, `it took ${took} ms`);
  t.strictSame(
    peer.received.map(({ deadline }) => deadline),
    [3_600_000, 100],
  );
  for (const answer of kept) answer();
  t.strictSame(await slow, {}, 'a late reply does not disturb other requests');
  t.strictSame(await client.createKey({}), {});
});

void t.test('an aborted request ends with the reason, its late reply is ignored', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  const kept: (() => void)[] = [];
  peer.onRequest = ({ answer }) => kept.push(answer);
  const controller = new AbortController();
  const reason = new Error('enough');
  const { signal } = controller;
  const pending = client.listKeys({}, { signal });
  await until(() => kept.length === 1);
  controller.abort(reason);
  await t.rejects(pending, reason);
  await t.rejects(
    client.listKeys({}, { signal }),
    reason,
    'a request aborted before it is sent ends with the reason too',
  );
  t.equal(kept.length, 1);
  const next = client.listKeys({});
  await until(() => kept.length === 2);
  for (const answer of kept) answer();
  t.strictSame(await next, { keys: [] });
});

void t.test('any throttled request is sent again after the pause that the daemon asked for', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  const times: number[] = [];
  peer.onRequest = ({ answer, refuse }) => {
    times.push(performance.now());
    if (times.length < 3) refuse(new exceptions.ThrottlingException('slow down', { retryAfter: 60 }));
    else answer();
  };
  t.strictSame(await client.createKey({}), {});
  const [first = 0, second = 0, third = 0] = times;
  t.ok(second - first >= 58 && third - second >= 58, `waits of ${second - first} and ${third - second} ms`);
});

void t.test('a request is sent three times at most, and then fails with the last error', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  peer.onRequest = ({ refuse }) => {
    refuse(new exceptions.ThrottlingException(`try ${peer.received.length}`));
  };
  await t.rejects(client.listKeys({}), { code: 'ThrottlingException', message: 'try 3' });
  t.equal(peer.received.length, 3);
});

void t.test('a retry that would be after the time-out is not awaited', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer, { timeout: 3_600_000 });
  peer.onRequest = ({ refuse }) => {
    refuse(new exceptions.ThrottlingException('slow down', { retryAfter: 3_600_000 }));
  };
  await t.rejects(client.listKeys({}), { code: 'ThrottlingException' });
  t.equal(peer.received.length, 1);
});

void t.test('after an internal error only what is safe to repeat is sent again', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  peer.onRequest = ({ refuse }) => {
    refuse(new exceptions.KMSInternalException('broken'));
  };
  await t.rejects(client.createKey({}), { code: 'KMSInternalException' });
  t.equal(peer.received.length, 1);
  await t.rejects(client.decrypt({ ciphertextBlob: Buffer.alloc(1) }), { code: 'KMSInternalException' });
  t.equal(peer.received.length, 4);
});

void t.test('close waits for outstanding replies, then refuses requests', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  peer.onRequest = ({ answer }) => {
    setTimeout(() => {
      answer({ truncated: true });
    }, 50);
  };
  const due = client.listKeys({});
  const closing = [client.close(), client.close()];
  await t.rejects(client.listKeys({}), { code: 'Closed' });
  t.strictSame(await due, { keys: [], truncated: true });
  await Promise.all(closing);
  await until(() => peer.connections === 0);
  t.equal(peer.received.length, 1);
});

void t.test('nothing that a daemon sends makes the client hang or crash', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  const listKeys = operationShape('ListKeys');
  const nonsense: [string, (send: (data: Uint8Array | string) => void, id: number) => void][] = [
    [
      'bytes that are no message',
      (send) => {
        send(Buffer.from('ffffffffff', 'hex'));
      },
    ],
    [
      'a text frame',
      (send) => {
        send('hello');
      },
    ],
    [
      'a reply of another operation',
      (send, id) => {
        send(encodeResponse(id, operationShape('Encrypt'), {}));
      },
    ],
    [
      'a frame of 5 MB',
      (send) => {
        send(Buffer.alloc(5_000_000));
      },
    ],
  ];
  for (const [name, send] of nonsense) {
    const before = peer.received.length;
    peer.onRequest = ({ webSocket, id }) => {
      send((data) => {
        webSocket.send(data);
      }, id);
    };
    const error = await client.listKeys({}).catch((error: unknown) => error);
    t.type(error, ConnectionError, name);
    t.match(error, { code: 'ConnectionLost', retryable: true }, name);
    t.equal(peer.received.length - before, 3, `${name}: each of three attempts has a new connection`);
  }
  peer.onRequest = ({ webSocket, id, answer }) => {
    webSocket.send(encodeResponse(id + 1000, listKeys, {}));
    answer();
    answer();
  };
  t.strictSame(await client.createKey({}), {}, 'replies to unknown ids and second replies are ignored');
  t.strictSame(await client.createKey({}), {});
});
