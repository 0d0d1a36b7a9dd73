// A linked Region whose daemon is in an attacker's hands: it has the pinned certificate and sends what it likes. The test plays it.
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:tls';
import t from 'tap';
import { WebSocket } from 'ws';
import { toPem } from '../../../daemon/identity/certificates/pem.js';
import { serverNameOf } from '../../../daemon/regions/connection/contexts.js';
import { subprotocol } from '../../../daemon/regions/connection/frames.js';
import { makeTlsIdentity } from '../../../daemon/regions/links/tls-identity.js';
import { here, holdCeremony, restart, startRegion, there } from '../../support/regions.js';
import { labels } from '../../support/token.js';

t.setTimeout(300_000);

const [own, other] = await Promise.all([startRegion(t, here), startRegion(t, there)]);
const { link, inOne, inOther } = await holdCeremony(t, own, other);
const identity = await makeTlsIdentity({ link, generation: 1 });
await own.client.completeRegionLink({
  ...inOne,
  certificate: identity.certificate,
  endpoint: 'wss://127.0.0.1:1',
});

async function dial(): Promise<WebSocket> {
  const options = {
    host: '127.0.0.1',
    port: own.port,
    servername: serverNameOf(link, 1),
    cert: toPem(identity.certificate, 'CERTIFICATE'),
    key: toPem(identity.key, 'PRIVATE KEY'),
    ca: toPem(Buffer.from(inOther.certificate), 'CERTIFICATE'),
    checkServerIdentity: () => undefined,
  };
  const createConnection = () => connect(options);
  const webSocket = new WebSocket(`wss://127.0.0.1:${own.port}`, [subprotocol], { createConnection });
  await once(webSocket, 'open');
  return webSocket;
}

let webSocket = await dial();
let id = 0;
/** @returns the code of the refusal, or the answer */
async function ask(name: string, body: unknown): Promise<unknown> {
  webSocket.send(JSON.stringify({ id: ++id, name, body }));
  const [data] = (await once(webSocket, 'message')) as [Buffer];
  const { error, body: answer } = JSON.parse(data.toString()) as { error?: { code: string }; body: unknown };
  return error ? error.code : answer;
}

const root = `arn:aws:iam::${(await own.client.getCallerIdentity({})).account}:root`;
const caller = { arn: root, sourceAddress: '192.0.2.1', userAgent: 'attacker' };
const mrk = () => `mrk-${randomBytes(16).toString('hex')}`;
const properties = (keyId: string, changed: object = {}) => ({
  keyId,
  revision: 1,
  primaryRegion: there,
  replicaRegions: [here],
  keySpec: 'SYMMETRIC_DEFAULT',
  keyUsage: 'ENCRYPT_DECRYPT',
  origin: 'AWS_KMS',
  materials: [],
  ...changed,
});
const creationOf = (keyId: string, changed: object = {}, by: object = caller) => ({
  creationId: randomUUID(),
  properties: properties(keyId, changed),
  caller: by,
  description: '',
  bypassPolicyLockoutSafetyCheck: false,
  tags: [],
});
const synchronizationOf = (keyId: string, changed: object = {}) => ({
  properties: properties(keyId, changed),
  proofs: {},
  materials: [],
});
const materialId = () => randomBytes(32).toString('hex');

await t.test('keys whose primary key is here stay as they are', async (t) => {
  const keys: string[] = [];
  for (const multiRegion of [true, false])
    keys.push((await own.client.createKey({ multiRegion })).keyMetadata.keyId);
  const [keyId] = keys as [string];
  const metadata = () => Promise.all(keys.map((each) => own.client.describeKey({ keyId: each })));
  const [before, objects] = [await metadata(), labels(own.daemon)];
  t.equal(await ask('CreateReplicaKey', creationOf(keyId)), 'AlreadyExistsException');
  const attempts = [synchronizationOf(keyId), synchronizationOf(keyId, { primaryRegion: here, revision: 9 })];
  for (const attempt of attempts) t.equal(await ask('SynchronizeKey', attempt), 'KMSInvalidStateException');
  t.equal(await ask('PreparePrimary', { keyId, caller }), 'KMSInvalidStateException');
  t.same(await ask('AbandonReplicaKey', { keyId, creationId: randomUUID() }), {});
  t.same(await ask('ReplicaKeyDeleted', { keyId }), {});
  t.same(await ask('ReplicaMaterials', { keyId, present: [materialId()] }), {});
  t.same(await metadata(), before);
  t.same(labels(own.daemon), objects);
  t.equal(
    await ask('SynchronizeKey', synchronizationOf(keys[1]!)),
    'ValidationException',
    'no multi-Region key',
  );
  t.equal(await ask('ScheduleKeyDeletion', { keyId }), 'UnsupportedOperationException');
});

await t.test('what a Region tells is bounded', async (t) => {
  const keyId = mrk();
  for (const changed of [
    { keyUsage: 'toString' },
    { keyUsage: '__proto__' },
    { keySpec: 'constructor' },
    { revision: Number.MAX_SAFE_INTEGER },
    { rotation: { periodInDays: 0, nextAt: 0 } },
    { rotation: { periodInDays: 365, nextAt: 1e300 } },
    { materials: [{ materialId: materialId(), createdAt: -1 }] },
  ])
    t.equal(await ask('CreateReplicaKey', creationOf(keyId, changed)), 'ValidationException', changed);
  t.equal(await ask('CreateReplicaKey', creationOf(keyId, { primaryRegion: here })), 'ValidationException');
  t.equal(
    await ask('CreateReplicaKey', creationOf(keyId, { primaryRegion: 'us-west-2' })),
    'ValidationException',
  );
  t.equal(
    await ask('CreateReplicaKey', creationOf(keyId, { keyUsage: 'SIGN_VERIFY' })),
    'ValidationException',
  );
  await t.rejects(own.client.describeKey({ keyId }), { code: 'NotFoundException' });
});

await t.test('it creates keys only as a principal that may, and the log says who asked', async (t) => {
  const keyId = mrk();
  await own.client.createUser({ userName: 'nobody' });
  const nobody = { ...caller, arn: root.replace(':root', ':user/nobody') };
  const stranger = { ...caller, arn: root.replace(':root', ':user/stranger') };
  for (const by of [nobody, stranger])
    t.equal(await ask('CreateReplicaKey', creationOf(keyId, {}, by)), 'AccessDeniedException');
  t.match(await ask('CreateReplicaKey', creationOf(keyId)), { createdAt: Number });
  t.match(own.daemon.events('CreateKey').at(-1), {
    sourceIPAddress: '192.0.2.1',
    additionalEventData: { requestedBy: there },
  });
});

await t.test('a key material that is sent twice or is not signed leaves nothing in the token', async (t) => {
  const keyId = mrk();
  await ask('CreateReplicaKey', creationOf(keyId));
  const sent = {
    materialId: materialId(),
    generation: 1,
    wrapped: randomBytes(40).toString('base64'),
    checkValue: randomBytes(32).toString('base64'),
    signature: randomBytes(64).toString('base64'),
  };
  const before = labels(own.daemon);
  const materials = [{ materialId: sent.materialId, createdAt: 1 }];
  const told = synchronizationOf(keyId, { materials });
  t.same(await ask('SynchronizeKey', told), { wants: [sent.materialId] });
  t.equal(await ask('SynchronizeKey', { ...told, materials: [sent, sent] }), 'ValidationException');
  const twice = synchronizationOf(keyId, { materials: [...materials, ...materials] });
  t.equal(await ask('SynchronizeKey', { ...twice, materials: [sent, sent] }), 'ValidationException');
  t.type(await ask('SynchronizeKey', { ...told, materials: [sent] }), 'string');
  t.equal(
    await ask('SynchronizeKey', { ...told, materials: [{ ...sent, generation: 2 }] }),
    'KMSInvalidStateException',
  );
  t.same(labels(own.daemon), before);
  t.match(await own.client.describeKey({ keyId }), { keyMetadata: { keyState: 'Creating' } });
});

await t.test('the daemon starts again, and its log verifies', async (t) => {
  webSocket.terminate();
  await restart(own);
  webSocket = await dial();
  t.equal(await ask('PreparePrimary', { keyId: mrk(), caller }), 'NotFoundException');
  webSocket.terminate();
  await own.client.close();
  await own.daemon.stop();
  t.match(await own.daemon.admin('audit-verify'), { code: 0 });
});

await other.client.close();
