// Deleted principals: policies show their unique IDs, even when the names are used again.
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';

const account = '000000000000';
const arn = (resource: string) => `arn:aws:iam::${account}:${resource}`;

void t.test('a policy shows the principals that it applies to', async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = await daemon.connect();
  t.teardown(() => root.close());
  const { user } = await root.createUser({ userName: 'gone' });
  const { user: stays } = await root.createUser({ userName: 'stays' });
  const trust = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { AWS: arn('user/gone') }, Action: 'sts:AssumeRole' }],
  });
  const { role } = await root.createRole({ roleName: 'worker', assumeRolePolicyDocument: trust });
  await root.createRole({ roleName: 'trusting', assumeRolePolicyDocument: trust });
  const sessionArn = `arn:aws:sts::${account}:assumed-role/worker/one`;
  // Unusual spaces, an escape, and the ARN outside of principals stay unchanged.
  const policyOf = (gone: string, worker: string, session: string) => `{ "Version":"2012-10-17",
    "Statement": [ {"Effect":"Allow","Principal":{"AWS":"${arn('root')}"},"Action":"kms:*","Resource":"*"},
  {"Sid":"${arn('user/gone').replaceAll(':', '')}", "Effect":"Allow",
   "Principal": { "AWS" : [ ${gone},"${arn('user/stays')}", ${worker}, ${session}] },
   "Action":"kms:Encrypt", "Resource":"*",
   "Condition":{"ArnNotEquals":{"aws:PrincipalArn":"${arn('user/gone')}"}}} ] }`;
  const quoted = (text: string) => JSON.stringify(text);
  const policy = policyOf(
    `"arn:aws:iam::${account}:user\\u002fgone"`,
    quoted(arn('role/worker')),
    quoted(sessionArn),
  );
  const { keyMetadata } = await root.createKey({ policy });
  const keyId = keyMetadata.keyId;
  const shown = async () => (await root.getKeyPolicy({ keyId })).policy;
  t.equal(await shown(), policy, 'the policy is returned byte for byte while all principals exist');
  await root.createGrant({ keyId, granteePrincipal: arn('user/gone'), operations: ['Encrypt'] });

  await root.deleteUser({ userName: 'gone' });
  await root.deleteRole({ roleName: 'worker' });
  const after = policyOf(quoted(user.userId), quoted(role.roleId), quoted(`${role.roleId}:one`));
  t.equal(await shown(), after);
  const trusting = async () => (await root.getRole({ roleName: 'trusting' })).role.assumeRolePolicyDocument;
  t.equal(await trusting(), trust.replace(arn('user/gone'), user.userId));
  t.match((await root.listGrants({ keyId })).grants, [{ granteePrincipal: user.userId }]);

  await root.createUser({ userName: 'gone' });
  await root.createRole({ roleName: 'worker', assumeRolePolicyDocument: trust });
  t.equal(await shown(), after, 'a new user with the name does not change the policy');
  t.match(await root.explainPolicy({ principal: 'user/gone', action: 'kms:Encrypt', keyId }), {
    decision: 'IMPLICIT_DENY',
    reason: new RegExp(`that principal \\(${user.userId}\\) was deleted`),
  });
  t.ok(stays);
  await t.rejects(root.putKeyPolicy({ keyId, policy: after }), { code: 'MalformedPolicyDocumentException' });
  await root.putKeyPolicy({
    keyId,
    policy: policyOf(quoted(arn('user/gone')), quoted(arn('role/worker')), quoted(sessionArn)),
  });
  t.notMatch(await shown(), /AIDA|AROA/, 'putting it again binds the principals that have the names now');
});
