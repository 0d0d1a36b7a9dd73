import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { WebSocketServer } from 'ws';
import { connect } from '../../client/index.js';
import { settings } from '../../client/options.js';
import { decodeRequest, encodeResponse } from '../../proto/codec/frames.js';
import { credentials } from './peer.js';

function certificate(): { cert: string; key: string } {
  const pem = execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
      ...['-subj', '/CN=keyhold test', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', '-', '-out', '-'],
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  ).toString();
  const end = pem.indexOf('-----BEGIN CERTIFICATE');
  return { key: pem.slice(0, end), cert: pem.slice(end) };
}

/** A server on a real TLS port that answers every request and records the requested hosts. */
async function startServer(t: Test, options = {}) {
  const { cert, key } = certificate();
  const hosts: (string | undefined)[] = [];
  const server = createServer({ cert, key, ...options });
  const webSockets = new WebSocketServer({ server, handleProtocols: () => 'keyhold.v1' });
  webSockets.on('connection', (webSocket, request) => {
    hosts.push(request.headers.host);
    webSocket.on('message', (data: Buffer) => {
      const { id, operation } = decodeRequest(data);
      if (operation) webSocket.send(encodeResponse(id, operation, {}));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    webSockets.close();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { url: `wss://127.0.0.1:${port}/`, ca: cert, hosts, port };
}

void t.test('over TLS the client trusts only the given certificates', async (t) => {
  const { url, ca, hosts, port } = await startServer(t);
  const client = await connect({ url, ca, credentials });
  t.strictSame(await client.createKey({}), {});
  await client.close();
  t.strictSame(hosts, [`127.0.0.1:${port}`]);
  await t.rejects(connect({ url, credentials }), { code: 'NotADaemon', retryable: false });
  const { cert: other } = certificate();
  await t.rejects(connect({ url, ca: other, credentials }), { code: 'NotADaemon' });
  const elsewhere = url.replace('127.0.0.1', 'localhost');
  await t.rejects(
    connect({ url: elsewhere, ca, credentials }),
    { code: 'NotADaemon' },
    'a server with another name is not trusted',
  );
  t.equal(hosts.length, 1);
});

void t.test('a version of TLS below 1.3 is refused', async (t) => {
  const { url, ca } = await startServer(t, { maxVersion: 'TLSv1.2' });
  await t.rejects(connect({ url, ca, credentials }), { code: 'NotADaemon' });
});

void t.test('the file that AWS_CA_BUNDLE names is trusted', async (t) => {
  const path = join(t.testdir({}), 'ca.pem');
  writeFileSync(path, 'PEM');
  const url = 'wss://host/';
  t.strictSame((await settings({ url }, { AWS_CA_BUNDLE: path })).ca, Buffer.from('PEM'));
  t.equal((await settings({ url, ca: 'other' }, { AWS_CA_BUNDLE: path })).ca, 'other');
  t.equal((await settings({ url }, {})).ca, undefined);
  await t.rejects(settings({ url }, { AWS_CA_BUNDLE: `${path}x` }), { code: 'InvalidEndpoint' });
});

void t.test('address and Region come from the options, else from the environment', async (t) => {
  const env = { KEYHOLD_URL: 'unix:/run/keyhold.sock', AWS_REGION: 'eu-west-1' };
  t.match(await settings({}, env), { endpoint: { path: '/run/keyhold.sock' }, region: 'eu-west-1' });
  t.match(await settings({ url: 'unix:/other', region: 'r' }, env), {
    endpoint: { path: '/other' },
    region: 'r',
  });
  t.match(await settings({ url: 'unix:/other' }, {}), { region: 'us-east-1' });
  await t.rejects(settings({}, {}), { code: 'InvalidEndpoint', message: /KEYHOLD_URL/ });
});
