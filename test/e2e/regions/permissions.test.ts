// Who may replicate a key and move its primary: both Regions decide, each by its own policies.
import t from 'tap';
import type { Client } from '../../../client/index.js';
import { here, startLinkedRegions, type TestRegion, there, until } from '../../support/regions.js';

// Outside of scripts/test, tap's limit is 30 s.
t.setTimeout(300_000);

const [primary, replica] = await startLinkedRegions(t);
const account = 'arn:aws:iam::000000000000';

type Statement = Readonly<Record<string, unknown>>;

const allow = (action: string, condition?: Readonly<Record<string, string>>): Statement => ({
  Effect: 'Allow',
  Action: action,
  Resource: '*',
  ...(condition && { Condition: { StringEquals: condition } }),
});

/** Creates a user with one policy. */
async function addUser({ client }: TestRegion, userName: string, statements: readonly Statement[]) {
  await client.createUser({ userName });
  if (statements.length === 0) return;
  const policyDocument = JSON.stringify({ Version: '2012-10-17', Statement: statements });
  const { policy } = await client.createPolicy({ policyName: userName, policyDocument });
  await client.attachUserPolicy({ userName, policyArn: policy.arn });
}

/** Connects as a user of a Region. */
async function connectAs({ client, daemon }: TestRegion, userName: string): Promise<Client> {
  const { accessKeyId, secretAccessKey = '' } = (await client.createAccessKey({ userName })).accessKey;
  return daemon.connect({ url: daemon.wss, ca: daemon.ca, credentials: { accessKeyId, secretAccessKey } });
}

let users = 0;
/** Makes a user with policies of its own in each Region. @param away absent: there is no such user in the other Region */
async function user(home: readonly Statement[], away?: readonly Statement[]) {
  const userName = `user-${++users}`;
  await addUser(primary, userName, home);
  if (away) await addUser(replica, userName, away);
  return { userName, client: await connectAs(primary, userName) };
}

const newKey = async () => (await primary.client.createKey({ multiRegion: true })).keyMetadata.keyId;
const stateIn = async ({ client }: TestRegion, keyId: string) =>
  (await client.describeKey({ keyId })).keyMetadata;
const codeOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'ok',
    (error: { code: string }) => error.code,
  );
const denied = 'AccessDeniedException';
const tags = [{ tagKey: 'site', tagValue: 'b' }];
const replicate = allow('kms:ReplicateKey');
const create = allow('kms:CreateKey');

await t.test('ReplicateKey needs kms:ReplicateKey here, and kms:CreateKey in the other Region', async (t) => {
  const cases: readonly [title: string, code: string, parts: Parameters<typeof user>, request?: object][] = [
    ['both are allowed', 'ok', [[replicate], [create]]],
    ['nothing is allowed here', denied, [[], [create]]],
    ['only kms:CreateKey is allowed here', denied, [[create], [create]]],
    ['nothing is allowed there', denied, [[replicate], []]],
    ['only kms:ReplicateKey is allowed there', denied, [[replicate], [replicate]]],
    ['there is no such user there', denied, [[replicate]]],
    ['into this Region', 'ok', [[allow('kms:ReplicateKey', { 'kms:ReplicaRegion': there })], [create]]],
    ['another Region', denied, [[allow('kms:ReplicateKey', { 'kms:ReplicaRegion': 'eu-west-1' })], [create]]],
    ['replicas', 'ok', [[replicate], [allow('kms:CreateKey', { 'kms:MultiRegionKeyType': 'REPLICA' })]]],
    ['no replicas', denied, [[replicate], [allow('kms:CreateKey', { 'kms:MultiRegionKeyType': 'PRIMARY' })]]],
    ['one Region', denied, [[replicate], [allow('kms:CreateKey', { 'kms:MultiRegion': 'false' })]]],
    ['requests there', 'ok', [[replicate], [allow('kms:CreateKey', { 'aws:RequestedRegion': there })]]],
    ['requests here', denied, [[replicate], [allow('kms:CreateKey', { 'aws:RequestedRegion': here })]]],
    ['tags without permission', denied, [[replicate, allow('kms:TagResource')], [create]], { tags }],
    ['tags with permission', 'ok', [[replicate], [create, allow('kms:TagResource')]], { tags }],
    [
      'other tags',
      denied,
      [[replicate], [create, allow('kms:TagResource', { 'aws:RequestTag/site': 'c' })]],
      { tags },
    ],
  ];
  for (const [title, code, parts, request] of cases) {
    const keyId = await newKey();
    const { client } = await user(...parts);
    t.equal(await codeOf(client.replicateKey({ keyId, replicaRegion: there, ...request })), code, title);
    const { keyState, multiRegionConfiguration } = await stateIn(primary, keyId);
    t.match(multiRegionConfiguration, { replicaKeys: { length: code === 'ok' ? 1 : 0 } });
    t.equal(keyState, 'Enabled');
    const found = await codeOf(replica.client.describeKey({ keyId }));
    t.equal(found, code === 'ok' ? 'ok' : 'NotFoundException');
    await client.close();
  }
});

await t.test('the policies of a session decide about the replica key too', async (t) => {
  const assumeRolePolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: `${account}:root` }, Action: 'sts:AssumeRole' }],
  });
  for (const { client } of [primary, replica]) {
    await client.createRole({ roleName: 'operator', assumeRolePolicyDocument });
    const policyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [allow('kms:*')] });
    const { policy } = await client.createPolicy({ policyName: 'operator', policyDocument });
    await client.attachRolePolicy({ roleName: 'operator', policyArn: policy.arn });
  }
  const asks = await user([allow('sts:AssumeRole')]);
  const deny = (action: string, key: string, value: string) => ({
    ...allow(action, { [key]: value }),
    Effect: 'Deny',
  });
  const all = allow('kms:*');
  const cases: readonly [title: string, code: string, statements: Statement[], request?: object][] = [
    ['all', 'ok', [all], { tags }],
    ['only kms:ReplicateKey', denied, [replicate]],
    ['no replicas', denied, [all, deny('kms:CreateKey', 'kms:MultiRegionKeyType', 'REPLICA')]],
    ['not in the other Region', denied, [all, deny('kms:CreateKey', 'aws:RequestedRegion', there)]],
    ['no tags', denied, [replicate, create], { tags }],
    ['no tags are given', 'ok', [replicate, create]],
  ];
  for (const [title, code, statements, request] of cases) {
    const keyId = await newKey();
    const { credentials } = await asks.client.assumeRole({
      roleArn: `${account}:role/operator`,
      roleSessionName: 'session',
      policy: JSON.stringify({ Version: '2012-10-17', Statement: statements }),
    });
    const { accessKeyId = '', secretAccessKey = '', sessionToken = '' } = credentials ?? {};
    const { daemon } = primary;
    const client = await daemon.connect({
      url: daemon.wss,
      ca: daemon.ca,
      credentials: { accessKeyId, secretAccessKey, sessionToken },
    });
    t.equal(await codeOf(client.replicateKey({ keyId, replicaRegion: there, ...request })), code, title);
    const found = await codeOf(replica.client.describeKey({ keyId }));
    t.equal(found, code === 'ok' ? 'ok' : 'NotFoundException');
    await client.close();
  }
  await asks.client.close();
});

await t.test('UpdatePrimaryRegion needs its permission on both keys', async (t) => {
  const move = allow('kms:UpdatePrimaryRegion');
  const moveTo = (region: string) => allow('kms:UpdatePrimaryRegion', { 'kms:PrimaryRegion': region });
  const cases: readonly [title: string, code: string, parts: Parameters<typeof user>][] = [
    ['nothing is allowed here', denied, [[], [move]]],
    ['nothing is allowed there', denied, [[move], []]],
    ['there is no such user there', denied, [[move]]],
    ['to another Region', denied, [[moveTo('eu-west-1')], [move]]],
    ['to another Region, there', denied, [[move], [moveTo(here)]]],
    ['both are allowed', 'ok', [[moveTo(there)], [moveTo(there)]]],
  ];
  const keyId = await newKey();
  await primary.client.replicateKey({ keyId, replicaRegion: there });
  for (const region of [primary, replica])
    await until(
      () => stateIn(region, keyId),
      ({ keyState }) => keyState === 'Enabled',
    );
  const describe = (type: string) => [allow('kms:DescribeKey', { 'kms:MultiRegionKeyType': type })];
  const ofReplicas = await user(describe('REPLICA'), describe('REPLICA'));
  const reads = [ofReplicas.client, await connectAs(replica, ofReplicas.userName)];
  const readable = () => Promise.all(reads.map((client) => codeOf(client.describeKey({ keyId }))));
  t.same(await readable(), [denied, 'ok'], 'kms:MultiRegionKeyType tells the replica from the primary key');

  for (const [title, code, parts] of cases) {
    const { client } = await user(...parts);
    t.equal(await codeOf(client.updatePrimaryRegion({ keyId, primaryRegion: there })), code, title);
    await client.close();
    if (code === 'ok') continue;
    const { keyState, multiRegionConfiguration } = await stateIn(primary, keyId);
    t.equal(keyState, 'Enabled');
    t.match(multiRegionConfiguration, { multiRegionKeyType: 'PRIMARY' });
  }
  t.same(await until(readable, ([first]) => first === 'ok'), ['ok', denied], 'it follows the primary key');
  for (const client of reads) await client.close();
  t.match(replica.daemon.events('UpdatePrimaryRegion').at(-1), {
    userIdentity: { arn: `${account}:user/user-${users}` },
    requestParameters: { primaryRegion: there },
  });
});

for (const { client } of [primary, replica]) await client.close();
