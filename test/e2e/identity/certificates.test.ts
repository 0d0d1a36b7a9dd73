// Mutual TLS: which principal a client certificate identifies, and until when.
import { once } from 'node:events';
import { appendFileSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { connect, type ConnectOptions } from '../../../client/index.js';
import { Authority, type Issued } from '../../support/certificates/authority.js';
import { TestDaemon } from '../../support/daemon.js';

const account = '000000000000';
const unknown = {
  code: 'UnrecognizedClientException',
  message: 'The security token included in the request is invalid.',
};

/** Waits until a condition is true. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((done) => setTimeout(done, 20));
}

void t.test('mutual TLS', async (t) => {
  const folder = t.testdir({});
  const authority = new Authority(join(folder, 'ca'), 'Clients');
  const stranger = new Authority(join(folder, 'other'), 'Others');
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const inHome = (name: string) => join(daemon.home, name);
  copyFileSync(authority.certificate, inHome('clients.pem'));
  writeFileSync(inHome('clients.crl'), authority.revocationList());
  const plain = readFileSync(inHome('keyhold.yaml'), 'utf8');
  const configure = (...mapping: string[]) => {
    writeFileSync(inHome('keyhold.yaml'), plain);
    daemon.configure(`tls:\n  clientCa: clients.pem\n  crl: clients.crl\n  mapping: [${mapping.join(', ')}]`);
  };
  const entry = (kind: 'uri' | 'subject', text: string, principal: string) =>
    JSON.stringify({ [kind]: text, principal: `arn:aws:iam::${account}:${principal}` });
  const mapping = [
    entry('uri', 'spiffe://example.org/alice', 'user/alice'),
    entry('uri', 'spiffe://example.org/bob', 'user/bob'),
    entry('uri', 'spiffe://example.org/worker', 'role/worker'),
    entry('uri', 'spiffe://example.org/nobody', 'user/nobody'),
    entry('subject', 'CN=alice\\, of sales,O=Example', 'user/alice'),
  ];
  configure(...mapping);
  await daemon.start();
  const root = await daemon.connect();
  t.teardown(() => root.close());
  for (const userName of ['alice', 'bob']) await root.createUser({ userName });
  const trust = { Effect: 'Allow', Principal: { AWS: account }, Action: 'sts:AssumeRole' };
  const assumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [trust] });
  const { role } = await root.createRole({ roleName: 'worker', assumeRolePolicyDocument });

  const spiffe = (name: string, more = {}) =>
    authority.issue({ subject: `/CN=${name}`, uris: [`spiffe://example.org/${name}`], ...more });
  /** Number of connections that the daemon ended because of their certificates. */
  const endings = () => daemon.stderr.split('its client certificate is no longer valid').length - 1;
  const connectWith = (issued: Issued | undefined, options: ConnectOptions = {}) =>
    connect({ url: daemon.wss, ca: daemon.ca, timeout: 2_000, ...issued, ...options });
  const whoIs = async (issued: Issued | undefined, options: ConnectOptions = {}) => {
    const client = await connectWith(issued, options);
    const { arn } = await client.getCallerIdentity({});
    await client.close();
    return arn;
  };
  const alice = spiffe('alice');
  const aliceArn = `arn:aws:iam::${account}:user/alice`;

  await t.test('a certificate identifies the user that its URI or its subject is mapped to', async (t) => {
    t.equal(await whoIs(alice), aliceArn);
    t.equal(await whoIs(authority.issue({ subject: '/O=Example/CN=alice, of sales' })), aliceArn);
    t.match(daemon.events('GetCallerIdentity')[0], {
      userIdentity: {
        type: 'IAMUser',
        userName: 'alice',
        accessKeyId: undefined,
        credentialId: /^x509:[0-9a-f]{64}$/,
      },
    });
  });

  await t.test('a certificate of a role identifies a session named by its serial number', async (t) => {
    const arn = await whoIs(spiffe('worker'));
    t.match(arn, /^arn:aws:sts::000000000000:assumed-role\/worker\/[0-9a-f]{2,40}$/);
    const [event] = daemon.events('GetCallerIdentity').slice(-1);
    t.match(event, {
      userIdentity: { type: 'AssumedRole', principalId: new RegExp(`^${role.roleId}:`) },
    });
  });

  await t.test('a certificate that maps to no principal, a missing one or two is refused', async (t) => {
    const both = ['spiffe://example.org/alice', 'spiffe://example.org/bob'];
    const refused: [string, Issued][] = [
      ['unmapped', spiffe('mallory')],
      ['mapped to no user', spiffe('nobody')],
      ['two users', authority.issue({ subject: '/CN=x', uris: both })],
      [
        'a user and another by subject',
        authority.issue({ subject: '/O=Example/CN=alice, of sales', uris: [both[1]!] }),
      ],
      [
        'the text of a subject in one attribute',
        authority.issue({ subject: '/CN=alice\\\\, of sales,O=Example' }),
      ],
      ['a URI as subject', authority.issue({ subject: '/CN=spiffe:\\/\\/example.org\\/alice' })],
      [
        'the beginning of a URI',
        authority.issue({ subject: '/CN=x', uris: ['spiffe://example.org/alice/more'] }),
      ],
    ];
    for (const [name, issued] of refused) await t.rejects(connectWith(issued), unknown, name);
    t.match(daemon.stderr, /tls\.mapping names several principals/);
  });

  await t.test('certificate and access key together must name the same principal', async (t) => {
    const { accessKey } = await root.createAccessKey({ userName: 'alice' });
    const credentials = {
      accessKeyId: accessKey.accessKeyId,
      secretAccessKey: accessKey.secretAccessKey,
    };
    t.equal(await whoIs(alice, { credentials }), aliceArn);
    t.equal(await whoIs(undefined, { credentials }), aliceArn, 'an access key alone is accepted too');
    await t.rejects(connectWith(spiffe('bob'), { credentials }), unknown);
    await t.rejects(connectWith(alice, { credentials: daemon.credentials }), unknown);
    await t.rejects(connectWith(alice, { credentials: { ...credentials, secretAccessKey: 'x' } }), unknown);
    await t.rejects(connectWith(spiffe('mallory'), { credentials }), unknown);
  });

  await t.test('an unverified certificate ends the connection, even with a valid access key', async (t) => {
    const foreign = stranger.issue({ subject: '/CN=alice', uris: ['spiffe://example.org/alice'] });
    const over = spiffe('alice', { notAfter: new Date(Date.now() - 60_000) });
    for (const issued of [foreign, over])
      await t.rejects(connectWith(issued, { credentials: daemon.credentials }), {
        name: 'ConnectionError',
      });
    const { hostname, port } = new URL(daemon.wss);
    const socket = connectTls({
      host: hostname,
      port: Number(port),
      ca: daemon.ca,
      cert: foreign.certificate,
      key: foreign.certificateKey,
    });
    socket.on('error', () => undefined);
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    let answer = '';
    socket.on('data', (data: Buffer) => (answer += data.toString()));
    await once(socket, 'close');
    t.equal(answer, '');
  });

  await t.test('a certificate that expires ends its connection', async (t) => {
    const brief = await connectWith(spiffe('alice', { notAfter: new Date(Date.now() + 4_000) }));
    t.ok(await brief.getCallerIdentity({}));
    await until(() => endings() === 1);
    await t.rejects(brief.getCallerIdentity({}));
    await brief.close();
  });

  await t.test('a reload of the CRL ends connections of revoked certificates only', async (t) => {
    const other = spiffe('alice');
    const [gone, stays] = [await connectWith(alice), await connectWith(other)];
    authority.revoke(alice);
    writeFileSync(inHome('clients.crl'), authority.revocationList());
    await daemon.reload();
    await t.rejects(gone.getCallerIdentity({}));
    t.equal((await stays.getCallerIdentity({})).arn, aliceArn, 'the client reconnects by itself');
    t.equal(endings(), 1, 'no other connection is closed');
    await t.rejects(connectWith(alice), { name: 'ConnectionError' });
    t.equal(await whoIs(other), aliceArn);
    await Promise.all([gone.close(), stays.close()]);
  });

  await t.test('a changed mapping applies to open connections too', async (t) => {
    const bob = await connectWith(spiffe('bob'));
    const worker = await connectWith(spiffe('worker'));
    configure(mapping[0]!, entry('uri', 'spiffe://example.org/bob', 'user/alice'), ...mapping.slice(2));
    await daemon.reload();
    t.equal(endings(), 2);
    t.ok(await worker.getCallerIdentity({}));
    await worker.close();
    t.equal(await whoIs(spiffe('bob')), aliceArn);
    await bob.close();
  });

  await t.test(
    'other authorities apply after a reload, and a wrong configuration changes nothing',
    async (t) => {
      const worker = await connectWith(spiffe('worker'));
      const before = daemon.stderr.length;
      writeFileSync(inHome('clients.pem'), 'nothing');
      process.kill(daemon.pid, 'SIGHUP');
      while (!daemon.stderr.slice(before).includes('not reloaded'))
        await new Promise((done) => setTimeout(done, 10));
      t.match(daemon.stderr.slice(before), /clients\.pem holds no PEM block 'CERTIFICATE'/);
      t.ok(await worker.getCallerIdentity({}));
      copyFileSync(stranger.certificate, inHome('clients.pem'));
      writeFileSync(inHome('clients.crl'), stranger.revocationList());
      appendFileSync(inHome('clients.crl'), authority.revocationList());
      await daemon.reload();
      await t.rejects(worker.getCallerIdentity({}));
      await t.rejects(connectWith(spiffe('worker')), { name: 'ConnectionError' });
      t.equal(
        await whoIs(stranger.issue({ subject: '/CN=w', uris: ['spiffe://example.org/alice'] })),
        aliceArn,
      );
      await worker.close();
    },
  );

  await t.test('the command line takes a certificate from files', async (t) => {
    const issued = stranger.issue({ subject: '/CN=w', uris: ['spiffe://example.org/alice'] });
    const env = {
      KEYHOLD_URL: daemon.wss,
      AWS_CA_BUNDLE: inHome('tls/ca.pem'),
      AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
      KEYHOLD_CERTIFICATE: issued.path,
      KEYHOLD_CERTIFICATE_KEY: issued.path.replace(/pem$/, 'key'),
    };
    const { stdout } = await daemon.cli(['get-caller-identity', '--query', 'Arn', '--output', 'text'], {
      env,
    });
    t.equal(stdout, `${aliceArn}\n`);
  });
});
