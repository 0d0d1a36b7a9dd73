// Bad frames get a clear error, and the daemon survives.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import type { WebSocket } from 'ws';
import { decodeResponse, encodeRequest, operationShape } from '../../../proto/codec/frames.js';
import { TestDaemon } from '../../support/daemon.js';
import { closeCode, nextResponse, upgrade } from '../../support/wire/upgrade.js';

const random = operationShape('GenerateRandom');

void t.test('bad frames', async (t) => {
  const daemon = await TestDaemon.start(t);
  const open = async (): Promise<WebSocket> => (await upgrade(daemon)).webSocket;

  await t.test('bytes that are not a Request get a reply with ID 0, and the connection ends', async (t) => {
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1'),
      Buffer.from([0xff]),
      randomBytes(300),
      Buffer.from([0x08, 0x80]),
    ]) {
      const webSocket = await open();
      const [reply, code] = [nextResponse(webSocket), closeCode(webSocket)];
      webSocket.send(bytes);
      // Random bytes may parse as unknown fields only. Then there is no operation, and no ID either.
      t.match(await reply, { id: 0, error: { code: 'ValidationException' } });
      webSocket.close();
      t.ok([1005, 1007].includes(await code));
    }
  });

  await t.test('text frames and too long frames end the connection with their close code', async (t) => {
    const text = await open();
    text.send('{"encrypt":{}}');
    t.equal(await closeCode(text), 1003);
    const large = await open();
    large.send(Buffer.alloc(65_537));
    t.equal(await closeCode(large), 1009);
    const fits = await open();
    const reply = nextResponse(fits);
    // Field 1000, bytes: unknown fields are skipped, so this is a request of the largest size.
    const head = Buffer.from([0x08, 5, 0xb2, 0x01, 0x02, 0x08, 0x08, 0xc2, 0x3e]);
    const length = 65_536 - head.length - 3;
    fits.send(
      Buffer.concat([
        head,
        Buffer.from([(length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14]),
        Buffer.alloc(length),
      ]),
    );
    t.match(await reply, { id: 5, operation: 'GenerateRandom' });
    fits.terminate();
  });

  await t.test('an unknown operation and an ID of 0 are errors of that request only', async (t) => {
    const webSocket = await open();
    const reply = nextResponse(webSocket);
    webSocket.send(Buffer.from([0x08, 9, 0xfa, 0x3f, 0]));
    t.match(await reply, { id: 9, error: { code: 'UnsupportedOperationException' } });
    const second = nextResponse(webSocket);
    webSocket.send(encodeRequest(0, 0, random, { numberOfBytes: 8 }));
    t.match(await second, { id: 0, error: { code: 'ValidationException', message: /id/ } });
    const third = nextResponse(webSocket);
    webSocket.send(encodeRequest(3, 0, random, { numberOfBytes: 8 }));
    t.match(await third, { id: 3, operation: 'GenerateRandom' });
    webSocket.terminate();
  });

  await t.test('requests beyond the limit in flight are throttled, and the others answered', async (t) => {
    const webSocket = await open();
    const codes: string[] = [];
    const done = new Promise<void>((resolve) => {
      webSocket.on('message', (data: Buffer) => {
        const response = decodeResponse(data);
        codes.push('error' in response ? response.error.code : 'ok');
        if (codes.length === 1_500) resolve();
      });
    });
    const frames = Array.from({ length: 1_500 }, (_, index) =>
      encodeRequest(index + 1, 0, random, { numberOfBytes: 8 }),
    );
    for (const frame of frames) webSocket.send(frame);
    await done;
    t.ok(codes.every((code) => code === 'ok' || code === 'ThrottlingException'));
    t.ok(codes.filter((code) => code === 'ok').length >= 1_024);
    webSocket.terminate();
  });

  await t.test('a request that times out in the queue is not executed', async (t) => {
    const [busy, patient] = await Promise.all([open(), open()]);
    const codes = new Map<string, number>();
    let answered = 0;
    const count = 1_000;
    const done = new Promise<void>((resolve) => {
      for (const webSocket of [busy, patient]) {
        webSocket.on('message', (data: Buffer) => {
          const response = decodeResponse(data);
          const name = `${webSocket === busy ? 'busy' : 'patient'} ${'error' in response ? response.error.code : 'ok'}`;
          codes.set(name, (codes.get(name) ?? 0) + 1);
          if (++answered === 2 * count) resolve();
        });
      }
    });
    const recorded = () =>
      daemon
        .auditRecords()
        .filter(({ eventName, errorCode }) => eventName === 'GenerateRandom' && errorCode === undefined)
        .length;
    const before = recorded();
    // 512 are executed at a time; the others of these wait.
    for (let id = 1; id <= count; id++) {
      busy.send(encodeRequest(id, 1, random, { numberOfBytes: 8 }));
      patient.send(encodeRequest(id, 0, random, { numberOfBytes: 8 }));
    }
    await done;
    const refused = codes.get('busy ThrottlingException') ?? 0;
    t.ok(refused > 0, `${refused} of ${count} timed out in the queue`);
    t.equal(codes.get('patient ok'), count, 'all requests without a deadline are executed');
    t.equal((codes.get('busy ok') ?? 0) + refused, count);
    t.equal(recorded() - before, 2 * count - refused, 'refused requests were not executed');
    const late = daemon.events('RefuseRequest').at(-1);
    t.match(late, { errorCode: 'ThrottlingException' }, 'a request that timed out is recorded as refused');
    busy.terminate();
    patient.terminate();
  });

  await t.test(
    'the daemon stops reading from a client that does not read, until it reads again',
    async (t) => {
      const webSocket = await open();
      webSocket.pause();
      const requests = 20_000;
      let answered = 0;
      const done = new Promise<void>((resolve) => {
        webSocket.on('message', () => (answered += 1) === requests && resolve());
      });
      const frame = encodeRequest(1, 0, random, { numberOfBytes: 1_024 });
      for (let index = 0; index < requests; index++) webSocket.send(frame);
      const served = () =>
        daemon.auditRecords().filter((record) => record.eventName === 'GenerateRandom').length;
      let before = -1;
      for (let now = served(); now !== before; now = served()) {
        before = now;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      t.ok(before < requests / 2, `the daemon stopped reading after ${before} requests`);
      webSocket.resume();
      await done;
      webSocket.terminate();
    },
  );

  await t.test('200 connections that send noise and vanish leave a daemon that answers', async (t) => {
    for (let round = 0; round < 10; round++) {
      const sockets = await Promise.all(Array.from({ length: 20 }, open));
      for (const webSocket of sockets) {
        webSocket.on('error', () => undefined);
        webSocket.send(randomBytes(40));
        webSocket.terminate();
      }
    }
    const client = await daemon.connect();
    t.equal((await client.generateRandom({ numberOfBytes: 8 })).plaintext.length, 8);
    await client.close();
    t.notMatch(daemon.stderr, /"level":(50|60)/);
  });
});
