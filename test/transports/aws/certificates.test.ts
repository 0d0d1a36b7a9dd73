// Mutual TLS on the AWS endpoint: a client certificate replaces the signature.
import { copyFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import * as kms from '@aws-sdk/client-kms';
import t from 'tap';
import { clientConfig, endpointOf } from '../../support/aws/aws.js';
import { signedHeadersOf } from '../../support/aws/aws-request.js';
import { Authority, type Issued } from '../../support/certificates/authority.js';
import { TestDaemon } from '../../support/daemon.js';

const account = '000000000000';
const aliceArn = `arn:aws:iam::${account}:user/alice`;
const unknown = { status: 400, text: /"UnrecognizedClientException"/ };

void t.test('mutual TLS on the AWS endpoint', async (t) => {
  const authority = new Authority(join(t.testdir({}), 'ca'), 'Clients');
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const inHome = (name: string) => join(daemon.home, name);
  copyFileSync(authority.certificate, inHome('clients.pem'));
  writeFileSync(inHome('clients.crl'), authority.revocationList());
  const mapping = ['alice', 'bob', 'nobody'].map((name) =>
    JSON.stringify({
      uri: `spiffe://example.org/${name}`,
      principal: `arn:aws:iam::${account}:user/${name}`,
    }),
  );
  daemon.configure(`tls:\n  clientCa: clients.pem\n  crl: clients.crl\n  mapping: [${mapping.join(', ')}]`);
  await daemon.start();
  const root = await daemon.connect();
  t.teardown(() => root.close());
  for (const userName of ['alice', 'bob']) await root.createUser({ userName });
  const { policy } = await root.createPolicy({
    policyName: 'list',
    policyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 'kms:ListKeys', Resource: '*' }],
    }),
  });
  await root.attachUserPolicy({ userName: 'alice', policyArn: policy.arn });
  const { accessKey } = await root.createAccessKey({ userName: 'alice' });
  const credentials = { accessKeyId: accessKey.accessKeyId, secretAccessKey: accessKey.secretAccessKey };
  const spiffe = (name: string) =>
    authority.issue({ subject: `/CN=${name}`, uris: [`spiffe://example.org/${name}`] });
  const alice = spiffe('alice');
  const unsigned = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'TrentService.ListKeys' };

  const agentOf = (issued: Issued | undefined) =>
    new Agent({ ca: daemon.ca, cert: issued?.certificate, key: issued?.certificateKey, keepAlive: true });
  const post = async (agent: Agent, headers: object = unsigned) => {
    const sent = request(endpointOf(daemon), { method: 'POST', agent, headers: { ...headers } });
    sent.end('{}');
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response) text += String(chunk);
    return { status: response.statusCode, text };
  };

  await t.test('a certificate alone is enough, over HTTP/1.1 and HTTP/2', async (t) => {
    t.match(await post(agentOf(alice)), { status: 200, text: /"Keys":\[\]/ });
    t.match(daemon.events('ListKeys').at(-1), {
      userIdentity: { type: 'IAMUser', arn: aliceArn, credentialId: /^x509:[0-9a-f]{64}$/ },
      sourceIPAddress: '127.0.0.1',
    });
    const { certificate: cert, certificateKey: key } = alice;
    const session = connectHttp2(endpointOf(daemon), { ca: daemon.ca, cert, key, servername: 'localhost' });
    t.teardown(() => session.destroy());
    const stream = session.request({ ':method': 'POST', ...unsigned });
    stream.end('{}');
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    t.equal(headers[':status'], 200);
    t.match(daemon.events('ListKeys').at(-1), { userIdentity: { arn: aliceArn } });
  });

  await t.test('a missing certificate, and one that maps to no principal, are refused', async (t) => {
    t.match(await post(agentOf(undefined)), { status: 400, text: /"MissingAuthenticationTokenException"/ });
    t.match(await post(agentOf(spiffe('nobody'))), unknown);
    t.match(await post(agentOf(spiffe('mallory'))), unknown);
  });

  await t.test('a certificate and a signature must name the same principal', async (t) => {
    const signed = (signer = credentials) => signedHeadersOf(daemon, signer);
    t.match(await post(agentOf(alice), signed()), { status: 200 });
    t.match(await post(agentOf(spiffe('bob')), signed()), unknown);
    t.match(await post(agentOf(alice), signed(daemon.credentials)), unknown);
    t.match(await post(agentOf(alice), signed({ ...credentials, secretAccessKey: 'wrong' })), {
      status: 400,
      text: /"InvalidSignatureException"/,
    });
    const sdk = new kms.KMSClient({
      ...clientConfig(daemon, { credentials }),
      requestHandler: { httpsAgent: agentOf(alice) },
    });
    t.teardown(() => sdk.destroy());
    t.match(await sdk.send(new kms.ListKeysCommand({})), { Keys: [] });
  });

  await t.test('a revoked certificate is refused, even on a persistent connection', async (t) => {
    const agent = agentOf(alice);
    t.teardown(() => agent.destroy());
    t.match(await post(agent), { status: 200 });
    authority.revoke(alice);
    writeFileSync(inHome('clients.crl'), authority.revocationList());
    await daemon.reload();
    t.match(await post(agent).catch(() => unknown), unknown);
    await t.rejects(post(agentOf(alice)), 'a revoked certificate opens no other connection');
  });
});
