// Grants: retired, revoked, deleted with their key, kept across a restart, and limited in number.
import t from 'tap';
import type { Client } from '../../../client/index.js';
import type { CreateGrantRequest } from '../../../proto/generated/messages.js';
import { TestDaemon } from '../../support/daemon.js';

const account = '000000000000';
const alice = `arn:aws:iam::${account}:user/alice`;

async function newKey(client: Client): Promise<string> {
  return (await client.createKey()).keyMetadata.keyId;
}

void t.test('ends of grants', async (t) => {
  const daemon = await TestDaemon.start(t, 'limits:\n  grantsPerKey: 3');
  const client = await daemon.connect();
  t.teardown(() => client.close());
  await client.createUser({ userName: 'alice' });
  const keyId = await newKey(client);
  const keyArn = `arn:aws:kms:us-east-1:${account}:key/${keyId}`;
  const create = (more: Partial<CreateGrantRequest> = {}) =>
    client.createGrant({ keyId, granteePrincipal: alice, operations: ['Encrypt'], ...more });
  const ids = async () => (await client.listGrants({ keyId })).grants.map(({ grantId }) => grantId);

  await t.test('a grant is retired by its token, or by key and grant ID', async (t) => {
    const first = await create({ retiringPrincipal: alice });
    const second = await create();
    await client.retireGrant({ grantToken: first.grantToken });
    t.match(daemon.events('RetireGrant').at(-1), {
      resources: [{ ARN: keyArn }],
      additionalEventData: { grantId: first.grantId },
    });
    await client.retireGrant({ keyId: keyArn, grantId: second.grantId });
    await t.rejects(client.retireGrant({ grantToken: first.grantToken }), { code: 'NotFoundException' });
    await t.rejects(client.retireGrant({ keyId, grantId: second.grantId }), { code: 'NotFoundException' });
    await t.rejects(client.revokeGrant({ keyId, grantId: second.grantId }), { code: 'NotFoundException' });
    await t.rejects(client.revokeGrant({ keyId, grantId: 'x' }), { code: 'InvalidGrantIdException' });
    const { grantToken, grantId } = second;
    for (const wrong of [{}, { keyId }, { grantId }, { grantToken, keyId, grantId }])
      await t.rejects(client.retireGrant(wrong), { code: 'ValidationException' }, JSON.stringify(wrong));
  });

  await t.test('a dry run creates, retires and revokes nothing', async (t) => {
    const { grantId = '', grantToken } = await create();
    const before = await ids();
    const dry = { code: 'DryRunOperationException' };
    await t.rejects(create({ dryRun: true, name: 'dry' }), dry);
    await t.rejects(client.retireGrant({ grantToken, dryRun: true }), dry);
    await t.rejects(client.revokeGrant({ keyId, grantId, dryRun: true }), dry);
    t.same(await ids(), before);
    await t.rejects(create({ dryRun: true, operations: ['Sign'] }), { code: 'ValidationException' });
    await t.rejects(client.revokeGrant({ keyId, grantId: 'f'.repeat(64), dryRun: true }), {
      code: 'NotFoundException',
    });
  });

  await t.test('grants are created while the key is enabled, listed and ended in every state', async (t) => {
    const own = await newKey(client);
    const first = await create({ keyId: own });
    const second = await create({ keyId: own });
    await client.disableKey({ keyId: own });
    await t.rejects(create({ keyId: own }), { code: 'DisabledException' });
    await client.revokeGrant({ keyId: own, grantId: first.grantId });
    await client.scheduleKeyDeletion({ keyId: own, pendingWindowInDays: 7 });
    await t.rejects(create({ keyId: own }), { code: 'KMSInvalidStateException' });
    t.equal((await client.listGrants({ keyId: own })).grants.length, 1);
    await client.retireGrant({ keyId: own, grantId: second.grantId });
  });

  await t.test('a key has at most as many grants as the limit', async (t) => {
    const own = await newKey(client);
    const one = () => create({ keyId: own });
    const results = await Promise.allSettled(Array.from({ length: 6 }, one));
    t.equal(
      results.filter(({ status }) => status === 'fulfilled').length,
      3,
      'the limit applies to simultaneous requests too',
    );
    await t.rejects(one(), { code: 'LimitExceededException' });
    const { grants } = await client.listGrants({ keyId: own });
    await client.revokeGrant({ keyId: own, grantId: grants[0]!.grantId });
    t.ok(await one());
  });

  await t.test('grants survive a restart', async (t) => {
    const own = await newKey(client);
    const made = await create({
      keyId: own,
      name: 'kept',
      constraints: { encryptionContextEquals: { a: '1' } },
    });
    await daemon.stop();
    await daemon.start();
    const later = await daemon.connect();
    t.match((await later.listGrants({ keyId: own })).grants, [{ grantId: made.grantId, name: 'kept' }]);
    const again = await later.createGrant({
      keyId: own,
      granteePrincipal: alice,
      operations: ['Encrypt'],
      name: 'kept',
      constraints: { encryptionContextEquals: { a: '1' } },
    });
    t.equal(again.grantId, made.grantId);
    await later.retireGrant({ grantToken: made.grantToken });
    t.same((await later.listGrants({ keyId: own })).grants, []);
    await later.close();
  });
});
