// Versions of managed policies: which one is in force, how many there are, and which may be deleted.
import t from 'tap';
import type { Client } from '../../../client/index.js';
import { TestDaemon } from '../../support/daemon.js';

const arn = (resource: string) => `arn:aws:iam::000000000000:${resource}`;
const policyArn = arn('policy/team/users');
const allowing = (...Action: string[]) =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] });
const listKeys = allowing('kms:ListKeys');
const listAliases = allowing('kms:ListAliases');
const denied = { code: 'AccessDeniedException' };

async function makePolicy(root: Client): Promise<void> {
  await root.createPolicy({ policyName: 'users', path: '/team/', policyDocument: listKeys });
}

void t.test('versions of a policy', async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  t.teardown(() => root.close());
  await makePolicy(root);
  const listed = async () =>
    (await root.listPolicyVersions({ policyArn })).versions.map(
      ({ versionId, isDefaultVersion }) => `${versionId}${isDefaultVersion ? ' default' : ''}`,
    );

  await t.test('a new policy has v1, and a new version is not in force by itself', async (t) => {
    t.match(await root.getPolicy({ policyArn }), {
      policy: { defaultVersionId: 'v1', policyDocument: listKeys },
    });
    t.strictSame(await listed(), ['v1 default']);
    const { policyVersion } = await root.createPolicyVersion({ policyArn, policyDocument: listAliases });
    t.match(policyVersion, { versionId: 'v2', isDefaultVersion: false, document: undefined });
    t.ok(Math.abs(policyVersion.createDate - Date.now() / 1000) < 60);
    t.strictSame(await listed(), ['v2', 'v1 default']);
    const { policy } = await root.getPolicy({ policyArn });
    t.match(policy, {
      defaultVersionId: 'v1',
      policyDocument: listKeys,
      updateDate: policyVersion.createDate,
    });
    t.match((await root.getPolicyVersion({ policyArn, versionId: 'v2' })).policyVersion, {
      document: listAliases,
      versionId: 'v2',
      isDefaultVersion: false,
    });
    t.equal((await root.getPolicyVersion({ policyArn, versionId: 'v1' })).policyVersion.document, listKeys);
  });

  await t.test('a malformed document and an unknown version or policy are refused', async (t) => {
    await t.rejects(root.createPolicyVersion({ policyArn, policyDocument: '{}' }), {
      code: 'MalformedPolicyDocumentException',
    });
    await t.rejects(root.setDefaultPolicyVersion({ policyArn, versionId: 'v9' }), {
      code: 'NoSuchEntityException',
      message: `Policy ${policyArn} version v9 does not exist or is not attachable.`,
    });
    for (const versionId of ['2', 'v0', 'v', 'V1', 'v1234567890'])
      await t.rejects(root.getPolicyVersion({ policyArn, versionId }), { code: 'ValidationException' });
    const unknown = arn('policy/nothing');
    await t.rejects(root.listPolicyVersions({ policyArn: unknown }), { code: 'NoSuchEntityException' });
    await t.rejects(root.createPolicyVersion({ policyArn: unknown, policyDocument: listKeys }), {
      code: 'NoSuchEntityException',
    });
    t.strictSame(await listed(), ['v2', 'v1 default']);
  });

  await t.test('a policy has at most five versions, and a number is not used again', async (t) => {
    for (const versionId of ['v3', 'v4', 'v5'])
      t.match(await root.createPolicyVersion({ policyArn, policyDocument: listKeys }), {
        policyVersion: { versionId },
      });
    await t.rejects(root.createPolicyVersion({ policyArn, policyDocument: listKeys }), {
      code: 'LimitExceededException',
      message:
        'A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.',
    });
    await root.deletePolicyVersion({ policyArn, versionId: 'v5' });
    await t.rejects(root.getPolicyVersion({ policyArn, versionId: 'v5' }), { code: 'NoSuchEntityException' });
    t.match(await root.createPolicyVersion({ policyArn, policyDocument: listKeys }), {
      policyVersion: { versionId: 'v6' },
    });
  });

  await t.test('versions that are created at the same time get different numbers', async (t) => {
    for (const versionId of ['v3', 'v4', 'v6']) await root.deletePolicyVersion({ policyArn, versionId });
    const attempts = await Promise.allSettled(
      Array.from({ length: 4 }, () => root.createPolicyVersion({ policyArn, policyDocument: listKeys })),
    );
    const made = attempts.flatMap((each) =>
      each.status === 'fulfilled' ? [each.value.policyVersion.versionId] : [],
    );
    for (const each of attempts)
      if (each.status === 'rejected')
        t.match(each.reason, { code: /^(ConflictException|LimitExceededException)$/ });
    t.ok(made.length >= 1);
    t.strictSame((await listed()).slice(0, -2).reverse(), made.sort());
    for (const versionId of made) await root.deletePolicyVersion({ policyArn, versionId });
  });

  await t.test('lists are paged, the newest first', async (t) => {
    const first = await root.listPolicyVersions({ policyArn, limit: 1 });
    t.match(first, { versions: [{ versionId: 'v2' }], truncated: true });
    const second = await root.listPolicyVersions({ policyArn, limit: 1, marker: first.nextMarker! });
    t.match(second, { versions: [{ versionId: 'v1' }], truncated: false, nextMarker: undefined });
    await root.createPolicy({ policyName: 'other', policyDocument: listKeys });
    await t.rejects(
      root.listPolicyVersions({ policyArn: arn('policy/other'), marker: first.nextMarker! }),
      { code: 'InvalidMarkerException' },
      'a marker is valid only for its policy',
    );
  });

  await t.test('the default version is not deleted, nor is a policy with other versions', async (t) => {
    await t.rejects(root.deletePolicyVersion({ policyArn, versionId: 'v1' }), {
      code: 'DeleteConflictException',
      message: 'Cannot delete the default version of a policy.',
    });
    await t.rejects(root.deletePolicy({ policyArn }), {
      code: 'DeleteConflictException',
      message: /^This policy has more than one version\. Before you delete a policy, you must delete/,
    });
    await root.setDefaultPolicyVersion({ policyArn, versionId: 'v2' });
    t.strictSame(await listed(), ['v2 default', 'v1']);
    await root.deletePolicyVersion({ policyArn, versionId: 'v1' });
    await root.deletePolicy({ policyArn });
    await makePolicy(root);
    t.strictSame(await listed(), ['v1 default'], 'a new policy of the same name begins with v1');
  });

  await t.test('changes are in the audit log', (t) => {
    t.match(daemon.events('CreatePolicyVersion')[0], {
      eventSource: 'keyhold',
      requestParameters: { policyArn, policyDocument: listAliases },
      responseElements: { policyVersion: { versionId: 'v2', isDefaultVersion: false } },
    });
    t.match(daemon.events('SetDefaultPolicyVersion')[0], {
      errorCode: 'NoSuchEntityException',
      requestParameters: { policyArn, versionId: 'v9' },
    });
    t.match(daemon.events('DeletePolicyVersion')[0], { requestParameters: { policyArn, versionId: 'v5' } });
    t.end();
  });
});

void t.test('the default version is in force', async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  t.teardown(() => root.close());
  await makePolicy(root);
  await root.createUser({ userName: 'app' });
  await root.attachUserPolicy({ userName: 'app', policyArn });
  const { accessKey } = await root.createAccessKey({ userName: 'app' });
  const credentials = {
    accessKeyId: accessKey.accessKeyId,
    secretAccessKey: accessKey.secretAccessKey,
  };
  const trust = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: arn('user/app') }, Action: 'sts:AssumeRole' }],
  });
  const { role } = await root.createRole({ roleName: 'worker', assumeRolePolicyDocument: trust });
  await root.attachRolePolicy({ roleName: 'worker', policyArn });
  const app = await daemon.connect({ credentials });
  t.teardown(() => app.close());
  const assumed = await app.assumeRole({ roleArn: role.arn, roleSessionName: 'one' });
  const session = await daemon.connect({ credentials: assumed.credentials });
  t.teardown(() => session.close());

  await t.test('for open connections of a user and a session, while they send requests', async (t) => {
    for (const client of [app, session]) {
      await client.listKeys({});
      await t.rejects(client.listAliases({}), denied);
    }
    let isLoaded = true;
    const answers = new Set<string>();
    const load = [app, session].map(async (client) => {
      while (isLoaded)
        answers.add(
          await client.listKeys({}).then(
            () => 'allowed',
            ({ code }: { code: string }) => code,
          ),
        );
    });
    await root.createPolicyVersion({ policyArn, policyDocument: listAliases, setAsDefault: true });
    // The change was acknowledged, so every request from here on is judged by v2.
    for (const client of [app, session]) {
      await client.listAliases({});
      await t.rejects(client.listKeys({}), denied);
    }
    await root.setDefaultPolicyVersion({ policyArn, versionId: 'v1' });
    for (const client of [app, session]) {
      await client.listKeys({});
      await t.rejects(client.listAliases({}), denied);
    }
    isLoaded = false;
    await Promise.all(load);
    t.strictSame([...answers].sort(), ['AccessDeniedException', 'allowed'], 'there are no other answers');
  });

  await t.test('for a permissions boundary and a managed session policy', async (t) => {
    const boundary = arn('policy/most');
    await root.createPolicy({ policyName: 'most', policyDocument: listKeys });
    await root.putUserPermissionsBoundary({ userName: 'app', permissionsBoundary: boundary });
    const limited = await app.assumeRole({
      roleArn: role.arn,
      roleSessionName: 'limited',
      policyArns: [{ arn: boundary }],
    });
    const inside = await daemon.connect({ credentials: limited.credentials });
    t.teardown(() => inside.close());
    for (const client of [app, inside]) await client.listKeys({});
    await root.createPolicyVersion({ policyArn: boundary, policyDocument: listAliases, setAsDefault: true });
    await t.rejects(app.listKeys({}), { ...denied, message: /no permissions boundary allows/ });
    await t.rejects(inside.listKeys({}), { ...denied, message: /no session policy allows/ });
    await root.deleteUserPermissionsBoundary({ userName: 'app' });
  });

  await t.test('callers without the permission cannot change versions', async (t) => {
    const refused = (request: Promise<unknown>, action: string) =>
      t.rejects(request, {
        ...denied,
        message: `User: ${arn('user/app')} is not authorized to perform: keyhold:${action} on resource: ${policyArn} because no identity-based policy allows the keyhold:${action} action`,
      });
    await refused(
      app.createPolicyVersion({ policyArn, policyDocument: allowing('*'), setAsDefault: true }),
      'CreatePolicyVersion',
    );
    await refused(app.setDefaultPolicyVersion({ policyArn, versionId: 'v2' }), 'SetDefaultPolicyVersion');
    await refused(app.deletePolicyVersion({ policyArn, versionId: 'v2' }), 'DeletePolicyVersion');
    await refused(app.getPolicyVersion({ policyArn, versionId: 'v2' }), 'GetPolicyVersion');
    await refused(app.listPolicyVersions({ policyArn }), 'ListPolicyVersions');
  });

  await t.test('after the daemon was killed', async (t) => {
    await root.createPolicyVersion({ policyArn, policyDocument: listAliases, setAsDefault: true });
    await root.deletePolicyVersion({ policyArn, versionId: 'v2' });
    const before = await root.listPolicyVersions({ policyArn });
    await daemon.stop('SIGKILL');
    await daemon.start();
    t.strictSame(await root.listPolicyVersions({ policyArn }), before);
    t.strictSame(
      before.versions.map(({ versionId, isDefaultVersion }) => [versionId, isDefaultVersion]),
      [
        ['v3', true],
        ['v1', false],
      ],
    );
    t.equal((await root.getPolicyVersion({ policyArn, versionId: 'v1' })).policyVersion.document, listKeys);
    await app.listAliases({});
    await t.rejects(app.listKeys({}), denied);
    t.match(await root.createPolicyVersion({ policyArn, policyDocument: listKeys }), {
      policyVersion: { versionId: 'v4' },
    });
  });
});
