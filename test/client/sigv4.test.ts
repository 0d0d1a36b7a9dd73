import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import t from 'tap';
import { connect, type Credentials } from '../../client/index.js';
import { credentials, startClient, startPeer } from './peer.js';

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The Authorization header as AWS's documentation computes it, step by step, for a GET of `/` without a body. */
function expectedAuthorization(request: IncomingMessage, key: Credentials, region: string, signed: string[]) {
  const date = String(request.headers['x-amz-date']);
  const day = date.slice(0, 8);
  const headers = signed.map((name) => `${name}:${String(request.headers[name])}\n`).join('');
  const canonicalRequest = ['GET', '/', '', headers, signed.join(';'), sha256('')].join('\n');
  const scope = `${day}/${region}/kms/aws4_request`;
  const stringToSign = ['AWS4-HMAC-SHA256', date, scope, sha256(canonicalRequest)].join('\n');
  const signingKey = hmac(hmac(hmac(hmac(`AWS4${key.secretAccessKey}`, day), region), 'kms'), 'aws4_request');
  const signature = hmac(signingKey, stringToSign).toString('hex');
  return `AWS4-HMAC-SHA256 Credential=${key.accessKeyId}/${scope}, SignedHeaders=${signed.join(';')}, Signature=${signature}`;
}

void t.test('the upgrade is signed over host, date and the random key of the WebSocket', async (t) => {
  const peer = await startPeer(t);
  await startClient(t, peer, { region: 'eu-central-1' });
  const [upgrade] = peer.upgrades;
  t.ok(upgrade);
  if (!upgrade) return;
  t.match(upgrade, { method: 'GET', url: '/', headers: { host: 'localhost' } });
  t.equal(upgrade.headers['sec-websocket-protocol'], 'keyhold.v1');
  t.notOk(upgrade.headers['sec-websocket-extensions'], 'compression is not offered');
  t.match(upgrade.headers['x-amz-date'], /^\d{8}T\d{6}Z$/);
  const signed = ['host', 'sec-websocket-key', 'x-amz-date'];
  const expected = expectedAuthorization(upgrade, credentials, 'eu-central-1', signed);
  t.equal(upgrade.headers.authorization, expected);
});

void t.test('a session token is sent and signed', async (t) => {
  const peer = await startPeer(t);
  const session = { ...credentials, sessionToken: 'a token/with+signs==' };
  await startClient(t, peer, { credentials: session });
  const [upgrade] = peer.upgrades;
  t.ok(upgrade);
  if (!upgrade) return;
  t.equal(upgrade.headers['x-amz-security-token'], session.sessionToken);
  const signed = ['host', 'sec-websocket-key', 'x-amz-date', 'x-amz-security-token'];
  t.equal(upgrade.headers.authorization, expectedAuthorization(upgrade, session, 'us-east-1', signed));
});

void t.test('each connection is signed anew, with the current credentials', async (t) => {
  const peer = await startPeer(t);
  let asked = 0;
  const provider = () => Promise.resolve({ ...credentials, accessKeyId: `AKIA${++asked}` });
  const client = await startClient(t, peer, { credentials: provider });
  peer.breakAll();
  await client.listKeys({});
  const ids = peer.upgrades.map(({ headers }) => /Credential=(\w+)/.exec(headers.authorization ?? '')?.[1]);
  t.strictSame(ids, ['AKIA1', 'AKIA2']);
});

void t.test('the error of a failing provider is the error of connecting', async (t) => {
  const peer = await startPeer(t);
  const reason = new Error('the vault is closed');
  await t.rejects(connect({ url: peer.url, credentials: () => Promise.reject(reason) }), reason);
  t.equal(peer.upgrades.length, 0);
});
