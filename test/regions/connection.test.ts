// Connections between Regions: who is accepted, what is answered, and what becomes of requests when a peer misbehaves.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { RawData, WebSocket } from 'ws';
import { exceptions } from '../../proto/errors.js';
import { makeTlsIdentity } from '../../daemon/regions/links/tls-identity.js';
import { linkIdOf } from '../../daemon/regions/links/link-record.js';
import { largestMessage, mostInFlight, PeerError } from '../../daemon/regions/peer.js';
import { until } from '../hsm/token.js';
import {
  dialAs,
  echo,
  knock,
  link,
  makeSecrets,
  play,
  serveAs,
  shortTimes,
  shownBy,
  Side,
  tlsOf,
} from './sides.js';

const [here, there] = ['us-east-1', 'eu-central-1'];
const secrets = makeSecrets(t);

async function pair(t: Test): Promise<readonly [Side, Side]> {
  const a = await Side.make(t, here, await secrets);
  const b = await Side.make(t, there, await secrets);
  await link(a, b);
  await connected(a, b);
  return [a, b];
}

function isConnected(side: Side, region: string): boolean {
  return side.connections.connectionOf(region)?.state === 'CONNECTED';
}

async function connected(a: Side, b: Side): Promise<void> {
  await until(() => isConnected(a, b.own) && isConnected(b, a.own));
}

/** Sends a text as a request. @returns the answer */
async function ask(webSocket: WebSocket, text: string | Buffer): Promise<unknown> {
  webSocket.send(text);
  const [data] = (await once(webSocket, 'message')) as [Buffer];
  return JSON.parse(data.toString()) as unknown;
}

async function closeOf(webSocket: WebSocket): Promise<number> {
  const [code] = (await once(webSocket, 'close')) as [number];
  return code;
}

void t.test('linked Regions connect, each for its own requests', async (t) => {
  const [a, b] = await pair(t);
  t.same(a.connections.linked(), [there]);
  t.equal(a.connections.own, here);
  const link = a.connections.linkTo(there)!;
  t.same(
    { ...link, signingKey: link.signingKey.toString() },
    {
      region: there,
      linkId: linkIdOf(there, here),
      generation: 1,
      signingKey: `${there} 1`,
    },
  );
  t.match(link.linkId, /^[0-9a-f]{20}$/);
  t.equal(a.connections.linkOf(there, 2), undefined);
  t.equal(a.connections.linkTo('us-west-2'), undefined);
  const body = { text: 'ä\ud800\u0000', list: [1, null, { __proto__: 1 }], big: 'x'.repeat(900_000) };
  t.same(await a.connections.request(there, 'Echo', body), { from: here, name: 'Echo', body });
  t.same(await b.connections.request(here, 'Echo', undefined), { from: there, name: 'Echo', body: null });
  const notLinked = { name: 'PeerError', code: 'not-linked', region: 'us-west-2' };
  await t.rejects(a.connections.request('us-west-2', 'Echo', {}), notLinked);
});

void t.test('more requests than may be in flight wait in the Region that asks', async (t) => {
  const [a, b] = await pair(t);
  let [running, most] = [0, 0];
  b.handler = async (_from, _name, body) => {
    most = Math.max(most, ++running);
    await sleep(20);
    running -= 1;
    return body;
  };
  const asked = Array.from({ length: 300 }, (_, at) => a.connections.request(there, 'Wait', at));
  t.same(
    await Promise.all(asked),
    asked.map((_, at) => at),
  );
  t.equal(most, mostInFlight);
});

void t.test('only the pinned certificate is accepted', async (t) => {
  const side = await Side.make(t, here, await secrets);
  const played = await play(side, there);
  const other = await play(side, 'us-west-2');
  const stranger = {
    ...played,
    identity: await makeTlsIdentity({ link: linkIdOf(here, there), generation: 1 }),
  };
  const servername = played.serverName;
  await until(() => side.connections.connectionOf('us-west-2')?.state === 'UNREACHABLE');
  const accepted = await knock(side, { ...tlsOf(played), servername });
  t.match(accepted, /^HTTP\/1.1 426 /, 'the port serves nothing but WebSockets');
  for (const [what, options] of [
    ['another certificate with the same names', { ...tlsOf(stranger), servername }],
    ['the certificate of another link', { ...tlsOf(other), servername }],
    ['its own certificate for the name of another link', { ...tlsOf(played), servername: other.serverName }],
    ['no certificate', { servername }],
    ['an unknown name', { ...tlsOf(played), servername: 'keyhold.example.com' }],
    ['a name of the right form', { ...tlsOf(played), servername: `${'0'.repeat(20)}-1.keyhold.internal` }],
    ['no name', tlsOf(played)],
    ['TLS 1.2', { ...tlsOf(played), servername, maxVersion: 'TLSv1.2' as const }],
  ] as const)
    t.equal(await knock(side, options), '', what);
  await t.rejects(dialAs(side, stranger), 'no WebSocket with another certificate');
  await t.rejects(dialAs(side, played, ['keyhold.v1']), 'nor with another protocol');
  await t.rejects(dialAs(side, played, []));
  const webSocket = await dialAs(side, played);
  t.same(await ask(webSocket, '{"id":1,"name":"Echo","body":[]}'), {
    id: 1,
    body: { from: there, name: 'Echo', body: [] },
  });
  webSocket.terminate();
  const refusals = side.warnings.filter((text) => text.includes('were refused'));
  t.equal(refusals.length, 1, 'refusals are logged, not each of them');
  await side.unlink(there);
  t.equal(await knock(side, { ...tlsOf(played), servername }), '', 'nor after the end of the link');
});

void t.test('a Region that shows another certificate is told nothing', async (t) => {
  const side = await Side.make(t, here, await secrets);
  const identity = await makeTlsIdentity({ link: linkIdOf(here, there), generation: 1 });
  const server = await serveAs(
    t,
    (endpoint) => play(side, there, endpoint),
    () => undefined,
    (played) => ({ ...played, identity }),
  );
  await until(() => side.connections.connectionOf(there)?.state === 'REFUSED');
  t.match(
    side.connections.connectionOf(there)!.problem,
    /shows another certificate than the one that was pinned/,
  );
  t.equal(server.connections, 0);
  await t.rejects(side.connections.request(there, 'Echo', {}), {
    code: 'unreachable',
    message: /another certificate/,
  });
});

void t.test('what is no request ends the connection', async (t) => {
  const side = await Side.make(t, here, await secrets);
  const played = await play(side, there);
  await until(() => side.connections.connectionOf(there)?.state === 'UNREACHABLE');
  let calls = 0;
  side.handler = () => Promise.resolve((calls += 1));
  for (const [what, sent, code] of [
    ['too large', JSON.stringify({ id: 1, name: 'Echo', body: 'x'.repeat(largestMessage) }), 1009],
    ['malformed', '{"id":1,', 1007],
    ['no object', 'null', 1007],
    ['a further member', '{"id":1,"name":"Echo","body":{},"more":1}', 1007],
    ['no id', '{"name":"Echo","body":{}}', 1007],
    ['an id that is no number', '{"id":"1","name":"Echo","body":{}}', 1007],
    ['an id of 0', '{"id":0,"name":"Echo","body":{}}', 1007],
    ['no name', '{"id":1,"body":{}}', 1007],
    ['a strange name', '{"id":1,"name":"a b","body":{}}', 1007],
    ['binary', Buffer.from('{"id":1,"name":"Echo","body":{}}'), 1003],
    ['an answer', '{"id":1,"error":{"code":"A","message":""}}', 1007],
  ] as const) {
    const webSocket = await dialAs(side, played);
    webSocket.send(sent);
    t.equal(await closeOf(webSocket), code, what);
  }
  t.equal(calls, 0);
  const webSocket = await dialAs(side, played);
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  t.same(await ask(webSocket, `{"id":1,"name":"Echo","body":${deep}}`), { id: 1, body: 1 });
  webSocket.terminate();
});

void t.test('a Region that sends too many requests at once gets an error for each further one', async (t) => {
  const side = await Side.make(t, here, await secrets);
  const played = await play(side, there);
  await until(() => side.connections.connectionOf(there)?.state === 'UNREACHABLE');
  let release: () => void = () => undefined;
  const held = new Promise<void>((done) => (release = done));
  let calls = 0;
  side.handler = async () => {
    calls += 1;
    await held;
  };
  const webSocket = await dialAs(side, played);
  const answers: { id: number; error?: { code: string } }[] = [];
  webSocket.on('message', (data: RawData) => {
    answers.push(JSON.parse((data as Buffer).toString()) as (typeof answers)[0]);
  });
  for (let id = 1; id <= mostInFlight + 6; id += 1)
    webSocket.send(JSON.stringify({ id, name: 'Hold', body: {} }));
  await until(() => answers.length === 6);
  t.ok(answers.every(({ error }) => error?.code === 'ThrottlingException'));
  t.equal(calls, mostInFlight);
  release();
  await until(() => answers.length === mostInFlight + 6);
  webSocket.terminate();
});

void t.test('errors of the handler', async (t) => {
  const [a, b] = await pair(t);
  const refusedWith = async (handler: Side['handler'], code: string, message: string | RegExp) => {
    b.handler = handler;
    const error = await a.connections.request(there, 'Try', {}).catch((thrown: unknown) => thrown);
    t.ok(error instanceof PeerError);
    t.match(error, { code: 'refused', refusal: code, message });
  };
  const denied = new exceptions.AccessDeniedException('You may not\u202e do this\ud800.');
  await refusedWith(
    () => Promise.reject(denied),
    'AccessDeniedException',
    'You may not\\u202e do this\\ud800.',
  );
  const internal = /^An internal error occurred/;
  await refusedWith(() => Promise.reject(new Error('secret')), 'KMSInternalException', internal);
  await refusedWith(
    () => {
      throw new TypeError('at once');
    },
    'KMSInternalException',
    internal,
  );
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
  await refusedWith(() => Promise.reject(undefined), 'KMSInternalException', internal);
  await refusedWith(() => Promise.resolve({ a: 1n }), 'KMSInternalException', internal);
  const huge = 'x'.repeat(largestMessage);
  await refusedWith(
    () => Promise.resolve(huge),
    'KMSInternalException',
    /The answer is larger than 1048576 bytes/,
  );
  b.handler = echo;
  await t.rejects(a.connections.request(there, 'Try', huge), {
    code: 'refused',
    refusal: 'ValidationException',
    message: /The request Try is larger than 1048576 bytes/,
  });
  t.match(await a.connections.request(there, 'Try', 1), { body: 1 }, 'the connection is still used');
  t.notOk(a.lines.join('').includes('secret'));
});

void t.test('what becomes of requests when the other Region misbehaves', async (t) => {
  const times = { ...shortTimes, request: 300, ping: 150 };
  const unknown = (message: RegExp) => ({ name: 'PeerError', code: 'unknown', message });
  for (const [what, serve, message] of [
    [
      'it goes away',
      (webSocket: WebSocket) => webSocket.terminate(),
      /may have done what it was asked: the connection was closed \(1006\)/,
    ],
    ['it closes', (webSocket: WebSocket) => webSocket.close(1001, 'stopping'), /closed \(1001, stopping\)/],
    ['it does not answer', () => undefined, /it did not answer within 0.3 s/],
    ['its answer is no JSON', (webSocket: WebSocket) => webSocket.send('{'), /sent what is no answer/],
    [
      'its answer is of another form',
      (webSocket: WebSocket) => webSocket.send('{"id":1,"error":{}}'),
      /sent what is no answer/,
    ],
    [
      'its answer is binary',
      (webSocket: WebSocket) => webSocket.send(Buffer.from('{"id":1,"body":1}')),
      /sent what is no answer/,
    ],
    [
      'its answer is too large',
      (webSocket: WebSocket) => webSocket.send('x'.repeat(largestMessage + 1)),
      /Max payload size exceeded/,
    ],
    [
      'it answers another request',
      (webSocket: WebSocket) => webSocket.send('{"id":7,"body":1}'),
      /did not answer within/,
    ],
  ] as const)
    await t.test(what, async (t) => {
      const side = await Side.make(t, here, await secrets, times);
      await serveAs(
        t,
        (endpoint) => play(side, there, endpoint),
        (webSocket) => webSocket.on('message', () => serve(webSocket)),
      );
      await until(() => isConnected(side, there));
      await t.rejects(side.connections.request(there, 'Ask', {}), unknown(message));
      await until(() => isConnected(side, there));
    });
  await t.test('it is silent', async (t) => {
    const side = await Side.make(t, here, await secrets, { ...times, request: 20_000 });
    await serveAs(
      t,
      (endpoint) => play(side, there, endpoint),
      (webSocket) => webSocket.on('message', () => webSocket.pause()),
    );
    await until(() => isConnected(side, there));
    await t.rejects(side.connections.request(there, 'Ask', {}), unknown(/the connection was closed/));
  });
  await t.test('an error has a safe text', async (t) => {
    const side = await Side.make(t, here, await secrets, times);
    const error = { code: 'Evil', message: '\u001b[2J\u202e' + 'x'.repeat(10_000) };
    await serveAs(
      t,
      (endpoint) => play(side, there, endpoint),
      (webSocket) => webSocket.on('message', () => webSocket.send(JSON.stringify({ id: 1, error }))),
    );
    await until(() => isConnected(side, there));
    const thrown = await side.connections
      .request(there, 'Ask', {})
      .catch((each: unknown) => each as PeerError);
    t.match(thrown, { code: 'refused', refusal: 'Evil', message: /^\\u001b\[2J\\u202exxx/ });
    t.ok((thrown as PeerError).message.length <= 4_096);
  });
});

void t.test('a silent connection of another Region is ended', async (t) => {
  const side = await Side.make(t, here, await secrets, { ...shortTimes, ping: 100 });
  const played = await play(side, there);
  await until(() => side.connections.connectionOf(there)?.state === 'UNREACHABLE');
  const webSocket = await dialAs(side, played);
  t.equal(side.connections.listener.connections, 1);
  webSocket.pause();
  await until(() => side.connections.listener.connections === 0);
  webSocket.terminate();
});

void t.test('a new connection of a Region replaces the one before, which is drained', async (t) => {
  const side = await Side.make(t, here, await secrets);
  const played = await play(side, there);
  await until(() => side.connections.connectionOf(there)?.state === 'UNREACHABLE');
  let release: () => void = () => undefined;
  side.handler = async () => await new Promise<void>((done) => (release = done));
  const first = await dialAs(side, played);
  const answer = ask(first, '{"id":1,"name":"Hold","body":{}}');
  await until(() => side.lines.some((line) => line.includes('another Region connected')));
  await sleep(50);
  const second = await dialAs(side, played);
  release();
  t.same(await answer, { id: 1, body: null }, 'what was in flight is answered');
  t.equal(await closeOf(first), 1001);
  t.equal(second.readyState, second.OPEN);
  t.equal(side.connections.listener.connections, 1);
  second.terminate();
});

void t.test('connections that never authenticate do not keep a Region out', async (t) => {
  const side = await Side.make(t, here, await secrets);
  const played = await play(side, there);
  await until(() => side.connections.connectionOf(there)?.state === 'UNREACHABLE');
  const idle = Array.from({ length: 300 }, () =>
    connect(side.port, '127.0.0.1').on('error', () => undefined),
  );
  t.teardown(() => idle.forEach((socket) => socket.destroy()));
  await until(() => idle.filter(({ readyState }) => readyState === 'open').length <= 128);
  const webSocket = await dialAs(side, played);
  t.match(await ask(webSocket, '{"id":1,"name":"Echo","body":1}'), { body: { body: 1 } });
  webSocket.terminate();
});

void t.test('a Region that was away is connected again', async (t) => {
  const [a, b] = await pair(t);
  const opened: string[] = [];
  a.connections.onConnected(() => {
    throw new Error('a callback that fails');
  });
  a.connections.onConnected((region) => opened.push(region));
  b.stop();
  await until(() => !isConnected(a, there));
  await t.rejects(a.connections.request(there, 'Echo', {}), {
    code: 'unreachable',
    message: /cannot be reached/,
  });
  await until(() => a.connections.connectionOf(there)?.state === 'UNREACHABLE');
  t.same(opened, []);
  await b.restart();
  await connected(a, b);
  t.same(opened, [there]);
  t.match(await a.connections.request(there, 'Echo', 1), { body: 1 });
  t.same(a.connections.warnings, []);
});

void t.test(
  'a rotated link: the newest generation that both have is used, then older ones are removed',
  async (t) => {
    const [a, b] = await pair(t);
    const [x, y] = [await a.prepare(there, 2), await b.prepare(here, 2)];
    await a.complete(there, x, shownBy(b, y));
    await sleep(300);
    t.equal(a.connections.linkTo(there)!.generation, 1, 'the other side has not completed it');
    t.ok(isConnected(a, there));
    t.match(await a.connections.request(there, 'Echo', 1), { body: 1 });
    let release: () => void = () => undefined;
    b.handler = async () => await new Promise<void>((done) => (release = done));
    const held = a.connections.request(there, 'Hold', {});
    await b.complete(here, y, shownBy(a, x));
    await until(
      () => a.connections.linkTo(there)!.generation === 2 && b.connections.linkTo(here)!.generation === 2,
    );
    release();
    t.equal(await held, null, 'a request in flight on the old connection is answered');
    await until(() => a.generations(there).length === 1 && b.generations(here).length === 1);
    t.same([a.generations(there), b.generations(here)], [[2], [2]]);
    t.equal(a.connections.linkOf(there, 1), undefined);
    b.handler = echo;
    t.match(await a.connections.request(there, 'Echo', 2), { body: 2 });
    await b.restart();
    await connected(a, b);
  },
);

void t.test('the end of a link ends its connections', async (t) => {
  const [a, b] = await pair(t);
  b.handler = () => new Promise(() => undefined);
  const pending = a.connections.request(there, 'Hold', {});
  const rejected = t.rejects(pending, { code: 'unknown' });
  await sleep(50);
  await b.unlink(here);
  await rejected;
  await until(() => a.connections.connectionOf(there)?.state === 'REFUSED');
  t.match(
    a.connections.connectionOf(there)!.problem,
    /generation 1 of the link is not complete there, or was deleted/,
  );
  await t.rejects(b.connections.request(here, 'Echo', {}), { code: 'not-linked' });
  t.equal(b.connections.connectionOf(here), undefined);
  await a.unlink(there);
  t.same(a.connections.linked(), []);
  await until(() => a.connections.open + b.connections.open === 0);
});

void t.test('nothing secret is in the log', async (t) => {
  const [a, b] = await pair(t);
  const text = [...a.lines, ...b.lines].join('');
  t.notMatch(text, /PRIVATE KEY|"key"/);
  // Until both have completed the link, one may refuse the other.
  t.same(
    a.warnings.filter((line) => !/no connection|were refused/.test(line)),
    [],
  );
});

void t.test('strangers who open many connections do not end those of linked Regions', async (t) => {
  const [a, b] = await pair(t);
  b.lines.length = 0;
  const ports: Socket[] = [];
  t.teardown(() => ports.forEach((socket) => socket.destroy()));
  for (let opened = 0; opened < 300; opened++) {
    const socket = connect(a.port, '127.0.0.1');
    socket.on('error', () => undefined);
    ports.push(socket);
    await once(socket, 'connect');
  }
  await until(
    () => ports.filter(({ destroyed, readyState }) => !destroyed && readyState === 'open').length <= 128,
  );
  t.equal(a.connections.listener.generationOf(there), 1);
  t.match(await b.connections.request(here, 'Echo', 1), { body: 1 });
  const ended = b.lines.filter((line) => line.includes('there is no connection to another Region'));
  t.same(ended, [], 'the connection is still the first one');
});
