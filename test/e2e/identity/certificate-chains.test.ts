// Client certificates with unusual chains: OpenSSL alone decides, and no chain crashes the daemon. Open connections are
// checked again after a reload and after an hour.
import 'reflect-metadata';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import t, { type Test } from 'tap';
import { type Client, connect } from '../../../client/index.js';
import { endpointOf } from '../../support/aws/aws.js';
import {
  alternativeNames,
  clientAuth,
  issue,
  makeAuthority,
  presented,
} from '../../support/certificates/chains.js';
import { revocationList, type Signer } from '../../support/certificates/chains.js';
import { MovableClock } from '../../support/clock.js';
import { TestDaemon } from '../../support/daemon.js';

const account = '000000000000';
const day = 86_400_000;
const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'TrentService.ListKeys' };

type Presented = Awaited<ReturnType<typeof presented>>;

/** A daemon that maps alice's SPIFFE ID to a user that may list keys. */
async function daemonFor(
  t: Test,
  files: Record<string, string>,
  tls = '',
  envFor: (daemon: TestDaemon) => NodeJS.ProcessEnv = () => ({}),
) {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  for (const [name, text] of Object.entries(files)) writeFileSync(join(daemon.home, name), text);
  const mapping = `[{ uri: "spiffe://example.org/alice", principal: "arn:aws:iam::${account}:user/alice" }]`;
  daemon.configure(`tls:\n  clientCa: clients.pem\n  mapping: ${mapping}\n${tls}`);
  await daemon.start(envFor(daemon));
  const root = await daemon.connect();
  t.teardown(() => root.close());
  await root.createUser({ userName: 'alice' });
  const Statement = [{ Effect: 'Allow', Action: ['kms:ListKeys', 'kms:CreateKey'], Resource: '*' }];
  const policyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
  const { policy } = await root.createPolicy({ policyName: 'list', policyDocument });
  await root.attachUserPolicy({ userName: 'alice', policyArn: policy.arn });
  return { daemon, root };
}

const native = (daemon: TestDaemon, chain: Presented): Promise<Client> =>
  connect({ url: daemon.wss, ca: daemon.ca, timeout: 10_000, maxAttempts: 1, ...chain });

const agentOf = ({ ca }: TestDaemon, { certificate, certificateKey }: Presented): Agent =>
  new Agent({ ca, cert: certificate, key: certificateKey, keepAlive: true, maxSockets: 1 });

async function post(daemon: TestDaemon, agent: Agent): Promise<{ status?: number; connection?: string }> {
  const sent = request(endpointOf(daemon), { method: 'POST', agent, headers });
  sent.end('{}');
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return { status: response.statusCode, connection: response.headers.connection };
}

void t.test('chains', async (t) => {
  const root = await makeAuthority('root', undefined);
  const other = await makeAuthority('other', undefined);
  const pem = ({ certificate }: Signer) => `${certificate.toString('pem')}\n`;
  const { daemon, root: rootClient } = await daemonFor(t, { 'clients.pem': pem(root) });
  const { pid } = daemon;

  const middle = await makeAuthority('middle', root);
  const byMiddle = await issue('alice', middle);
  const crossed = await makeAuthority('middle', other, { keys: middle.keys });
  const rootByOther = await makeAuthority('root', other, { keys: root.keys });
  const otherByRoot = await makeAuthority('other', root, { keys: other.keys });
  const a = { name: 'a', keys: middle.keys };
  const loopB = await makeAuthority('b', a);
  const loopA = await makeAuthority('a', loopB, { keys: middle.keys });
  const many: Signer[] = [root];
  for (let depth = 0; depth < 20; depth++) many.push(await makeAuthority(`level ${depth}`, many.at(-1)));
  const san = (...bytes: number[]) => [
    clientAuth,
    new x509.Extension('2.5.29.17', false, Uint8Array.from(bytes)),
  ];
  const uri = Buffer.from('spiffe://example.org/alice');
  const serverOnly = new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]);
  const named = alternativeNames(uri.toString());
  const noAuthority = await issue('no authority', root);
  const pathLength = await makeAuthority('short', root, {
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  });

  const chains: [name: string, chain: Presented, outcome: 'works' | 'refused' | 'either'][] = [
    ['by the root', await presented(await issue('alice', root)), 'works'],
    ['by an authority between', await presented(byMiddle, middle), 'works'],
    ['with the root at the end', await presented(byMiddle, middle, root), 'works'],
    ['the authority between is missing', await presented(byMiddle), 'refused'],
    ['out of order, with strangers', await presented(byMiddle, other, middle, loopA), 'works'],
    ['cross-signed, both ways there', await presented(byMiddle, crossed, middle, other), 'either'],
    ['cross-signed, the wrong way alone', await presented(byMiddle, crossed, other), 'either'],
    ['cross-signed by what the root signed', await presented(byMiddle, crossed, otherByRoot), 'either'],
    ['the root signed by another', await presented(byMiddle, middle, rootByOther), 'either'],
    ['the same twice', await presented(byMiddle, middle, middle, byMiddle), 'works'],
    ['not yet valid', await presented(await issue('alice', root, { from: day, to: 2 * day })), 'refused'],
    ['expired', await presented(await issue('alice', root, { from: -2 * day, to: -day })), 'refused'],
    [
      'an authority that expired',
      await (async () => {
        const old = await makeAuthority('old', root, { from: -2 * day, to: -day });
        return presented(await issue('alice', old), old);
      })(),
      'refused',
    ],
    ['a loop', await presented(await issue('alice', a), loopA, loopB), 'refused'],
    [
      'a loop of one',
      await presented(await issue('alice', { name: 'alice', keys: other.keys }), other),
      'refused',
    ],
    ['self-signed', await presented(await issue('alice', undefined)), 'refused'],
    [
      'twenty certificates',
      await presented(await issue('alice', many.at(-1)), ...many.toReversed()),
      'either',
    ],
    [
      'for servers',
      await presented(await issue('alice', root, { extensions: [serverOnly, named] })),
      'refused',
    ],
    ['by a client', await presented(await issue('alice', noAuthority), noAuthority), 'refused'],
    [
      'longer than an authority allows',
      await (async () => {
        const below = await makeAuthority('below', pathLength);
        return presented(await issue('alice', below), below, pathLength);
      })(),
      'refused',
    ],
    [
      'the signature of another root of the same name',
      await presented(await issue('alice', await makeAuthority('root', undefined))),
      'refused',
    ],
    ['no SAN', await presented(await issue('alice', root, { extensions: [clientAuth] })), 'refused'],
    ['an empty SAN', await presented(await issue('alice', root, { extensions: san(0x30, 0) })), 'refused'],
    [
      'a SAN that ends early',
      await presented(await issue('alice', root, { extensions: san(0x30, 0x20, 0x86) })),
      'refused',
    ],
    [
      'a SAN that is no sequence',
      await presented(await issue('alice', root, { extensions: san(5, 0) })),
      'refused',
    ],
    [
      'an address of three bytes',
      await presented(await issue('alice', root, { extensions: san(0x30, 5, 0x87, 3, 1, 2, 3) })),
      'refused',
    ],
    [
      'an empty directory name',
      await presented(await issue('alice', root, { extensions: san(0x30, 4, 0xa4, 2, 0x30, 0) })),
      'refused',
    ],
    [
      'a URI with a NUL behind',
      await presented(
        await issue('alice', root, {
          extensions: san(0x30, uri.length + 3, 0x86, uri.length + 1, ...uri, 0),
        }),
      ),
      'refused',
    ],
    [
      'two SANs',
      await presented(await issue('alice', root, { extensions: [clientAuth, named, named] })),
      'refused',
    ],
    [
      'two thousand names',
      await presented(
        await issue('alice', root, {
          extensions: [
            clientAuth,
            alternativeNames(
              ...Array.from({ length: 2_000 }, (_, index) => `urn:x:${index}`),
              uri.toString(),
            ),
          ],
        }),
      ),
      'either',
    ],
  ];
  const outcome = async (chain: Presented) => {
    const results: string[] = [];
    try {
      const client = await native(daemon, chain);
      results.push((await client.getCallerIdentity({})).arn.replace(/.*\//, ''));
      await client.close();
    } catch {
      results.push('refused');
    }
    const agent = agentOf(daemon, chain);
    const { status } = await post(daemon, agent).catch(() => ({ status: undefined }));
    agent.destroy();
    results.push(status === 200 ? 'alice' : 'refused');
    return results;
  };
  for (const [name, chain, expected] of chains) {
    const results = await outcome(chain);
    const right = {
      works: [['alice', 'alice']],
      refused: [['refused', 'refused']],
      either: [
        ['alice', 'alice'],
        ['refused', 'refused'],
      ],
    };
    t.ok(
      right[expected].some((each) => each.join() === results.join()),
      `${name}: ${expected}; native and HTTP say ${results.join()}`,
    );
    t.ok(await rootClient.getCallerIdentity({}), `${name}: the daemon still serves requests`);
  }
  t.equal(daemon.pid, pid);
  t.match(await daemon.health(), { healthy: true });
});

void t.test('a revoked authority ends its connections, and requests in flight are answered', async (t) => {
  const root = await makeAuthority('root', undefined);
  const middle = await makeAuthority('middle', root);
  const direct = await issue('alice', root);
  const chain = await presented(await issue('alice', middle), middle);
  const clear = (await revocationList(root)) + (await revocationList(middle));
  const files = { 'clients.pem': `${root.certificate.toString('pem')}\n`, 'clients.crl': clear };
  const { daemon } = await daemonFor(t, files, '  crl: clients.crl');
  const gone = await native(daemon, chain);
  const stays = await connect({
    url: daemon.wss,
    ca: daemon.ca,
    timeout: 60_000,
    ...(await presented(direct)),
  });
  t.teardown(() => Promise.all([gone.close(), stays.close()]));
  const agent = agentOf(daemon, chain);
  t.match(await post(daemon, agent), { status: 200 });
  const session = connectHttp2(endpointOf(daemon), {
    ca: daemon.ca,
    cert: chain.certificate,
    key: chain.certificateKey,
    servername: 'localhost',
  });
  await once(session, 'connect');
  const stream = session.request({ ':method': 'POST', ...headers });
  stream.end('{}');
  const [answer] = (await once(stream, 'response')) as [Record<string, unknown>];
  t.equal(answer[':status'], 200);
  stream.resume();
  const away = once(session, 'goaway');
  const inFlight = Array.from({ length: 20 }, () => stays.createKey({}));
  writeFileSync(
    join(daemon.home, 'clients.crl'),
    (await revocationList(root, middle)) + (await revocationList(middle)),
  );
  await daemon.reload();
  t.equal(
    (await Promise.all(inFlight)).length,
    20,
    'each request is answered, on this connection or a new one',
  );
  const keys = await stays.listKeys({});
  t.equal(keys.keys.length, 20, 'no request was executed twice');
  await away;
  await t.rejects(gone.getCallerIdentity({}), 'the chain of an open connection is checked again');
  await t.rejects(native(daemon, chain));
  t.not((await post(daemon, agent).catch(() => ({ status: 0 }))).status, 200);
  agent.destroy();
  session.destroy();
});

void t.test('after an hour a chain is verified again, and the client notices nothing', async (t) => {
  const root = await makeAuthority('root', undefined);
  const chain = await presented(await issue('alice', root));
  const files = { 'clients.pem': `${root.certificate.toString('pem')}\n` };
  let clock: MovableClock | undefined;
  const { daemon } = await daemonFor(t, files, '', ({ home }) => (clock = new MovableClock(home)).env);
  const client = await connect({ url: daemon.wss, ca: daemon.ca, timeout: 60_000, ...chain });
  t.ok(await client.listKeys({}));
  const agent = agentOf(daemon, chain);
  t.match(await post(daemon, agent), { status: 200 });
  const closed = new Promise((done) => {
    for (const sockets of Object.values(agent.freeSockets)) sockets![0]!.once('close', done);
  });
  clock!.move('+3700');
  await closed;
  t.match(await post(daemon, agent), { status: 200 }, 'a new connection is accepted');
  t.ok(await client.createKey({}));
  await client.close();
  agent.destroy();
});
