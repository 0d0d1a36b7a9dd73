// The limits for one principal, and for unauthenticated clients, are lower than the limits for all clients together.
import { execFileSync } from 'node:child_process';
import { Agent, request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import t, { type Test } from 'tap';
import type { Client } from '../../client/index.js';
import { endpointOf } from '../support/aws/aws.js';
import { type RequestOptions, send, signedHeadersOf } from '../support/aws/aws-request.js';
import { TestDaemon } from '../support/daemon.js';
import { type Refusal, upgrade, type Upgraded } from '../support/wire/upgrade.js';

interface User {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

async function makeUser(root: Client, userName: string): Promise<User> {
  await root.createUser({ userName });
  const { accessKey } = await root.createAccessKey({ userName });
  return { accessKeyId: accessKey.accessKeyId, secretAccessKey: accessKey.secretAccessKey };
}

const wait = (time: number) => new Promise((done) => setTimeout(done, time));

async function started(t: Test, yaml: string): Promise<{ daemon: TestDaemon; root: Client; user: User }> {
  const daemon = await TestDaemon.start(t, yaml);
  const root = await daemon.connect();
  t.teardown(() => root.close());
  return { daemon, root, user: await makeUser(root, 'nobody') };
}

void t.test('connections of one principal are limited', async (t) => {
  const { daemon, user } = await started(
    t,
    'limits:\n  connections: 12\n  httpConnections: 12\n  connectionsPerPrincipal: 3\n  connectionsForRoot: 2',
  );
  const open = async (of: object) => {
    const opened = await upgrade(daemon, of).catch((error: unknown) => error as Refusal);
    if ('webSocket' in opened) t.teardown(() => opened.webSocket.terminate());
    return opened;
  };
  const opened: (Upgraded | Refusal)[] = [];
  for (let index = 0; index < 6; index += 1) opened.push(await open(user));
  t.strictSame(
    opened.map((each) => ('webSocket' in each ? 'open' : each.__type)),
    [...Array<string>(3).fill('open'), ...Array<string>(3).fill('ThrottlingException')],
  );
  t.match(
    (opened[3] as Refusal).message,
    /3 connections, which is the limit \(limits\.connectionsPerPrincipal\)/,
  );
  t.ok('webSocket' in (await open({})), 'the root can still connect');
  (opened[0] as Upgraded).webSocket.terminate();
  await wait(200);
  t.ok('webSocket' in (await open(user)), 'a closed connection makes room for one other');

  const ask = (of: object) => {
    const agent = new Agent({ keepAlive: true });
    t.teardown(() => agent.destroy());
    const asked = httpRequest({
      agent,
      method: 'POST',
      socketPath: join(daemon.home, 'keyhold.sock'),
      headers: signedHeadersOf(daemon, of) as Record<string, string>,
    });
    return new Promise<string>((resolve, reject) => {
      asked.on('response', (response) => {
        response.resume();
        response.on('end', () => resolve(`${response.statusCode} ${response.headers.connection}`));
      });
      asked.on('error', reject).end('{}');
    });
  };
  const over = user;
  const answers: string[] = [];
  for (let index = 0; index < 5; index += 1) answers.push(await ask(over));
  t.strictSame(
    answers.map((each) => each.endsWith('keep-alive')),
    [true, true, true, false, false],
    answers.join(', '),
  );
  t.match(await send(daemon, { ...over, over: 'unix' }), { __type: 'ThrottlingException' });
  t.equal(await ask({}), '200 keep-alive', 'the root is still answered');
});

void t.test('connections opened within ten minutes are limited', async (t) => {
  const { daemon, root, user } = await started(
    t,
    'limits:\n  upgrades: 40\n  upgradesPerPrincipal: 5\n  upgradesPerSource: 15',
  );
  const open = async (of: object) => {
    try {
      (await upgrade(daemon, of)).webSocket.terminate();
      return 'open';
    } catch (error) {
      return (error as Refusal).message;
    }
  };
  const all = async (of: object, count: number) => {
    const told: string[] = [];
    for (let index = 0; index < count; index += 1) told.push(await open(of));
    return told;
  };
  const told = await all(user, 7);
  t.strictSame(told.slice(0, 5), Array(5).fill('open'));
  t.match(told[5], /This principal has opened 5 connections within ten minutes.*upgradesPerPrincipal/);
  t.equal(await open({}), 'open', 'the root can still connect');
  t.strictSame(
    await all(await makeUser(root, 'second'), 5),
    Array(5).fill('open'),
    'another user can still connect',
  );
  const third = await all(await makeUser(root, 'third'), 6);
  t.strictSame(third.slice(0, 5), Array(5).fill('open'));
  t.match(
    await open(await makeUser(root, 'fourth')),
    /This address has opened 15 connections.*upgradesPerSource/,
  );
  t.strictSame(await all({}, 20), Array(20).fill('open'), 'the root has no limit by source');
});

/** Stops the workers while an action runs, so that the HSM hangs. */
async function whileHanging(daemon: TestDaemon, action: () => Promise<void>): Promise<void> {
  const workers = execFileSync('pgrep', ['-P', String(daemon.pid)])
    .toString()
    .trim()
    .split('\n')
    .map(Number);
  for (const worker of workers) process.kill(worker, 'SIGSTOP');
  try {
    await action();
  } finally {
    for (const worker of workers) process.kill(worker, 'SIGCONT');
  }
}

const large = (keyId: string): string => {
  const text = JSON.stringify({ KeyId: keyId, Plaintext: 'YQ==' });
  return text + ' '.repeat(50_000 - text.length);
};

void t.test('bytes of requests that wait for the HSM are limited', async (t) => {
  const { daemon, root, user } = await started(
    t,
    'limits:\n  requestBytes: 800000\n  requestBytesPerPrincipal: 240000\n  unauthenticatedRequestBytes: 262144',
  );
  const { keyMetadata } = await root.createKey({});
  const keyId = keyMetadata.keyId;
  const allow = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'kms:*', Resource: '*' }] };
  const { policy } = await root.createPolicy({ policyName: 'all', policyDocument: JSON.stringify(allow) });
  await root.attachUserPolicy({ userName: 'nobody', policyArn: policy.arn });
  // From then on its signing key is cached, so authentication does not wait for the HSM.
  t.equal((await send(daemon, { ...user, operation: 'Encrypt', body: large(keyId) })).status, 200);
  const options: RequestOptions = { ...user, operation: 'Encrypt', body: large(keyId) };
  const overHttp2 = () => {
    const session = connectHttp2(endpointOf(daemon), { ca: daemon.ca, servername: 'localhost' });
    session.on('error', () => undefined);
    t.teardown(() => session.destroy());
    return () => {
      const { host, ...headers } = signedHeadersOf(daemon, options);
      const stream = session.request({
        ':method': 'POST',
        ':path': '/',
        ':authority': String(host),
        ...headers,
      });
      stream.end(options.body);
      return new Promise<string>((resolve) => {
        let text = '';
        stream.on('data', (data: Buffer) => (text += data.toString()));
        stream.on('close', () => resolve(text));
        stream.on('error', () => undefined);
      });
    };
  };
  const client = await daemon.connect({ credentials: user, maxAttempts: 1 });
  t.teardown(() => client.close());
  const askHttp2 = overHttp2();
  const native = () =>
    client
      .encrypt({ keyId, plaintext: Buffer.alloc(4_096), encryptionContext: { k: 'x'.repeat(8_000) } })
      .then(
        () => 'CiphertextBlob',
        (error: unknown) => String((error as { code?: string }).code),
      );
  const ways: Readonly<Record<string, readonly [count: number, ask: () => Promise<string>]>> = {
    'HTTP/1.1': [12, async () => (await send(daemon, options)).text],
    'unix socket': [12, async () => (await send(daemon, { ...options, over: 'unix' })).text],
    'HTTP/2': [12, askHttp2],
    native: [60, native],
  };
  for (const [way, [count, ask]] of Object.entries(ways)) {
    const answers: Promise<string>[] = [];
    let refused = 0;
    await whileHanging(daemon, async () => {
      for (let index = 0; index < count; index += 1) {
        const answer = ask();
        answers.push(answer);
        void answer.then((text) => (refused += text.includes('ThrottlingException') ? 1 : 0));
      }
      for (let tries = 0; tries < 100 && refused < count / 2; tries += 1) await wait(20);
      t.ok(refused >= count / 2, `${way}: ${refused} of ${count} were refused while the HSM hung`);
      // Requests of another principal are accepted.
      answers.push(send(daemon, { operation: 'Encrypt', body: large(keyId) }).then(({ text }) => text));
      await wait(50);
    });
    const texts = await Promise.all(answers);
    t.match(texts.at(-1), /CiphertextBlob/, `${way}: the root was served`);
    t.equal(texts.filter((text) => text.includes('CiphertextBlob')).length, count + 1 - refused, way);
  }
  // Held bytes are released, even if the client has gone.
  for (let round = 0; round < 3; round += 1) {
    await whileHanging(daemon, async () => {
      for (let index = 0; index < 4; index += 1) {
        const text = large(keyId);
        const headers = Object.entries(signedHeadersOf(daemon, { ...options, body: text }));
        const socket = connectTls({
          port: Number(new URL(daemon.wss).port),
          host: '127.0.0.1',
          ca: daemon.ca,
          servername: 'localhost',
        });
        socket.on('error', () => undefined);
        socket.write(
          `POST / HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${String(value)}\r\n`).join('')}`,
        );
        socket.write(`content-length: ${text.length}\r\n\r\n${text}`);
        await wait(100);
        socket.destroy();
      }
    });
    await wait(300);
  }
  t.strictSame(
    (await Promise.all(Array.from({ length: 4 }, () => send(daemon, options)))).map(({ status }) => status),
    [200, 200, 200, 200],
  );
});

void t.test('bodies of unauthenticated clients lock nobody out', async (t) => {
  const { daemon, user } = await started(t, 'limits:\n  unauthenticatedRequestBytes: 300000');
  const port = Number(new URL(daemon.wss).port);
  let ended = 0;
  for (let index = 0; index < 10; index += 1) {
    const socket = connectTls({
      port,
      host: '127.0.0.1',
      ca: daemon.ca,
      servername: 'localhost',
      ALPNProtocols: ['http/1.1'],
    });
    socket.on('error', () => undefined);
    socket.on('close', () => (ended += 1));
    socket.resume();
    t.teardown(() => socket.destroy());
    socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n');
    socket.write(Buffer.alloc(150_000, 32));
    await wait(50);
  }
  const { keyId } = { keyId: 'alias/none' };
  const answer = await send(daemon, { ...user, operation: 'Encrypt', body: large(keyId) });
  t.not(answer.__type, 'ThrottlingException');
  t.ok(ended >= 8, `${ended} of 10 were ended`);
});

void t.test('answers that unauthenticated clients leave unread lock nobody out', async (t) => {
  const { daemon, user } = await started(t, 'limits:\n  unauthenticatedRequestBytes: 300000');
  // Without a window no answer is sent.
  const settings = { initialWindowSize: 0 };
  const session = connectHttp2(endpointOf(daemon), { ca: daemon.ca, servername: 'localhost', settings });
  session.on('error', () => undefined);
  t.teardown(() => session.destroy());
  await new Promise((done) => session.once('remoteSettings', done));
  // Each fills the rest that its predecessors have left, to the last byte.
  for (const size of [200_000, 80_000, 15_000, ...Array<number>(50).fill(100)]) {
    const stream = session.request({ ':method': 'POST', ':path': '/', authorization: 'none' });
    stream.on('error', () => undefined);
    stream.end(Buffer.alloc(size, 32));
    await new Promise((done) => stream.once('response', done));
  }
  const answer = await send(daemon, { ...user, operation: 'Encrypt', body: large('alias/none') });
  t.not(answer.__type, 'ThrottlingException');
});

void t.test('streams of unauthenticated clients lock nobody out', async (t) => {
  const daemon = await TestDaemon.start(t);
  const options = { ca: daemon.ca, servername: 'localhost' };
  let open = 0;
  for (let index = 0; index < 170; index += 1) {
    const session = connectHttp2(endpointOf(daemon), options);
    session.on('error', () => undefined);
    session.on('connect', () => (open += 1));
    t.teardown(() => session.destroy());
    for (let stream = 0; stream < 100; stream += 1)
      session.request({ ':method': 'POST', ':path': '/' }).on('error', () => undefined);
    if (index % 10 === 9) await wait(50);
  }
  for (let tries = 0; tries < 100 && open < 170; tries += 1) await wait(100);
  await wait(500);
  const session = connectHttp2(endpointOf(daemon), options);
  session.on('error', () => undefined);
  t.teardown(() => session.destroy());
  const { host, ...headers } = signedHeadersOf(daemon);
  const stream = session.request({ ':method': 'POST', ':path': '/', ':authority': String(host), ...headers });
  stream.end('{}');
  const status = await new Promise<unknown>((resolve) => {
    stream.on('response', (received) => resolve(received[':status']));
    stream.on('close', () => resolve(`closed with ${stream.rstCode}`));
    stream.on('error', () => undefined);
  });
  t.equal(status, 200);
});
