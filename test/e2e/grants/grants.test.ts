// Creating and listing grants. grant-ends.test.ts is about their end, grant-permissions.test.ts about what they allow.
import t from 'tap';
import type { Client } from '../../../client/index.js';
import type { CreateGrantRequest } from '../../../proto/generated/messages.js';
import { TestDaemon } from '../../support/daemon.js';

const account = '000000000000';
const arn = (resource: string) => `arn:aws:iam::${account}:${resource}`;
const alice = arn('user/alice');
const bob = arn('user/bob');
const worker = arn('role/worker');
const session = `arn:aws:sts::${account}:assumed-role/worker/one`;
const rootPrincipal = arn('root');

const trust = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: rootPrincipal }, Action: 'sts:AssumeRole' }],
});

async function newKey(client: Client, more: Parameters<Client['createKey']>[0] = {}): Promise<string> {
  return (await client.createKey(more)).keyMetadata.keyId;
}

void t.test('grants', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  t.teardown(() => client.close());
  for (const userName of ['alice', 'bob']) await client.createUser({ userName });
  await client.createRole({ roleName: 'worker', assumeRolePolicyDocument: trust });
  const keyId = await newKey(client);
  const keyArn = `arn:aws:kms:us-east-1:${account}:key/${keyId}`;
  const create = (more: Partial<CreateGrantRequest> = {}) =>
    client.createGrant({ keyId, granteePrincipal: alice, operations: ['Encrypt'], ...more });
  const ids = async (more: object = {}) =>
    (await client.listGrants({ keyId, ...more })).grants.map(({ grantId }) => grantId);

  await t.test('a grant is listed as it was created, and its token is in no audit record', async (t) => {
    const { grantId, grantToken } = await create({
      name: 'all/of:it',
      retiringPrincipal: worker,
      operations: ['Decrypt', 'Encrypt', 'Decrypt'],
      constraints: { encryptionContextSubset: { b: '2', a: '1' } },
    });
    t.match(grantId, /^[0-9a-f]{64}$/);
    t.match(grantToken, /^[A-Za-z0-9+/=]{100,300}$/);
    const { grants, truncated } = await client.listGrants({ keyId });
    t.equal(truncated, false);
    const [grant] = grants;
    t.ok(Math.abs(grant!.creationDate - Date.now() / 1000) < 60);
    t.match(grant, {
      keyId: keyArn,
      grantId,
      name: 'all/of:it',
      granteePrincipal: alice,
      retiringPrincipal: worker,
      issuingAccount: rootPrincipal,
      operations: ['Decrypt', 'Encrypt'],
    });
    t.same({ ...grant!.constraints!.encryptionContextSubset }, { a: '1', b: '2' });
    t.match(daemon.events('CreateGrant').at(-1), {
      requestParameters: { keyId, granteePrincipal: alice, retiringPrincipal: worker, name: 'all/of:it' },
      responseElements: { grantId },
      resources: [{ ARN: keyArn }],
      readOnly: false,
    });
    t.notOk(JSON.stringify(daemon.auditRecords()).includes(grantToken));
    await client.revokeGrant({ keyId: keyArn, grantId: grantId });
    t.same(await ids(), []);
    const revoked = daemon.events('RevokeGrant').at(-1);
    t.match(revoked, { requestParameters: { grantId }, additionalEventData: { grantId } });
  });

  await t.test('users, roles, sessions and the account can be given grants; nobody else', async (t) => {
    for (const granteePrincipal of [alice, worker, session, rootPrincipal]) {
      const { grantId } = await create({ granteePrincipal, retiringPrincipal: granteePrincipal });
      const { grants } = await client.listGrants({ keyId, granteePrincipal });
      t.match(grants, [{ grantId, granteePrincipal, retiringPrincipal: granteePrincipal }]);
      await client.retireGrant({ keyId, grantId });
    }
    const nobody = [
      arn('user/nobody'),
      arn('role/alice'),
      alice.replace(account, '111111111111'),
      `arn:aws:sts::${account}:assumed-role/nobody/one`,
      session.replace(account, '111111111111'),
      arn('user/other/alice'),
      `arn:aws:sts::${account}:federated-user/alice`,
    ];
    for (const principal of nobody) {
      const refusal = {
        code: 'InvalidArnException',
        message: `ARN does not refer to a valid principal: ${principal}`,
      };
      await t.rejects(create({ granteePrincipal: principal }), refusal);
      await t.rejects(create({ retiringPrincipal: principal }), refusal);
      await t.rejects(client.listGrants({ keyId, granteePrincipal: principal }), refusal);
      await t.rejects(client.listRetirableGrants({ retiringPrincipal: principal }), refusal);
    }
    for (const malformed of [
      session.replace('worker/', 'path/worker/'),
      alice.replace('iam', 's3'),
      'arn:aws:iam',
    ]) {
      const refusal = { code: 'InvalidArnException', message: `ARN is not valid: ${malformed}` };
      await t.rejects(create({ granteePrincipal: malformed }), refusal);
      await t.rejects(create({ retiringPrincipal: malformed }), refusal);
      await t.rejects(client.listGrants({ keyId, granteePrincipal: malformed }), refusal);
      await t.rejects(client.listRetirableGrants({ retiringPrincipal: malformed }), refusal);
    }
    for (const noArn of [account, 's3.amazonaws.com', 'AROA2222222222222222Z:one']) {
      const invalid = (what: string) => ({
        code: 'InvalidArnException',
        message: `${what} does not refer to a valid principal`,
      });
      const grantee = { ...invalid(''), message: 'GranteePrincipal does not refer to a valid principal.' };
      await t.rejects(create({ granteePrincipal: noArn }), grantee);
      await t.rejects(create({ retiringPrincipal: noArn }), { code: 'InvalidArnException' });
      await t.rejects(client.listGrants({ keyId, granteePrincipal: noArn }), invalid('Input'));
      await t.rejects(client.listRetirableGrants({ retiringPrincipal: noArn }), {
        code: 'NotFoundException',
        message: `Retiring principal ${noArn} could not be found`,
      });
    }
    await t.rejects(create({ granteePrincipal: 'a b' }), { code: 'ValidationException' });
    t.same(await ids(), []);
  });

  await t.test('the same name and parameters create one grant, with a new token each time', async (t) => {
    const same = { name: 'once', retiringPrincipal: bob, operations: ['Encrypt', 'Decrypt'] } as const;
    const made = await create({ ...same, operations: [...same.operations] });
    const again = await create({ ...same, operations: ['Decrypt', 'Encrypt'] });
    t.equal(again.grantId, made.grantId);
    t.not(again.grantToken, made.grantToken);
    const others: Partial<CreateGrantRequest>[] = [
      { name: 'twice' },
      { name: undefined },
      { retiringPrincipal: undefined },
      { granteePrincipal: bob },
      { operations: ['Encrypt'] },
      { constraints: { encryptionContextEquals: { a: '1' } } },
      { constraints: { encryptionContextSubset: { a: '1' } } },
      { constraints: { encryptionContextSubset: { a: '2' } } },
    ];
    const seen = new Set([made.grantId]);
    for (const other of others) {
      const { grantId } = await create({ ...same, operations: [...same.operations], ...other });
      t.notOk(seen.has(grantId), JSON.stringify(other));
      seen.add(grantId);
    }
    t.not(
      (await create({ operations: ['Encrypt'] })).grantId,
      (await create({ operations: ['Encrypt'] })).grantId,
    );
    const at = await Promise.all(Array.from({ length: 20 }, () => create({ name: 'at-once' })));
    t.equal(new Set(at.map(({ grantId }) => grantId)).size, 1, 'simultaneous requests create one grant too');
    await client.revokeGrant({ keyId, grantId: at[0]!.grantId });
    t.not(
      (await create({ name: 'at-once' })).grantId,
      at[0]!.grantId,
      'a revoked grant is not returned again',
    );
    for (const grantId of await ids()) await client.revokeGrant({ keyId, grantId: grantId });
  });

  await t.test('a grant allows only operations that its key supports', async (t) => {
    const refused = {
      code: 'ValidationException',
      message: /^Operations \[\w+\] are not supported when creating a grant for an? /,
    };
    await t.rejects(create({ operations: ['Sign'] }), refused);
    await t.rejects(create({ operations: ['Encrypt', 'GetPublicKey'] }), refused);
    const signing = await newKey(client, { keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' });
    await t.rejects(create({ keyId: signing }), refused);
    t.ok(
      await create({
        keyId: signing,
        operations: ['Sign', 'Verify', 'GetPublicKey', 'DescribeKey', 'RetireGrant'],
      }),
    );
    const constraints = { encryptionContextEquals: { a: '1' } };
    await t.rejects(create({ keyId: signing, operations: ['Sign'], constraints }), {
      code: 'ValidationException',
      message:
        'EncryptionContext is supported only when creating a grant for a symmetric encryption KMS key.',
    });
    const mac = await newKey(client, { keySpec: 'HMAC_256', keyUsage: 'GENERATE_VERIFY_MAC' });
    await t.rejects(create({ keyId: mac, operations: ['Encrypt'] }), {
      code: 'ValidationException',
      message:
        'Operations [Encrypt] are not supported when creating a grant for a symmetric KMS key with key usage ' +
        'GENERATE_VERIFY_MAC. Valid operations are [CreateGrant, RetireGrant, DescribeKey, GenerateMac, VerifyMac]',
    });
    t.ok(await create({ keyId: mac, operations: ['GenerateMac', 'VerifyMac', 'CreateGrant'] }));
    const rsa = await newKey(client, { keySpec: 'RSA_2048', keyUsage: 'ENCRYPT_DECRYPT' });
    await t.rejects(create({ keyId: rsa, operations: ['GenerateDataKey'] }), refused);
    t.ok(
      await create({
        keyId: rsa,
        operations: ['Encrypt', 'Decrypt', 'ReEncryptFrom', 'ReEncryptTo', 'GetPublicKey'],
      }),
    );
  });

  await t.test('unsupported parameters are refused, not ignored', async (t) => {
    const unsupported = { code: 'UnsupportedOperationException' };
    const service = 'dynamodb.us-east-1.amazonaws.com';
    await t.rejects(create({ granteeServicePrincipal: service }), unsupported);
    await t.rejects(create({ retiringServicePrincipal: service }), unsupported);
    await t.rejects(create({ constraints: { sourceArn: 'arn:aws:s3:::bucket' } }), unsupported);
    await t.rejects(client.listGrants({ keyId, granteeServicePrincipal: service }), unsupported);
    await t.rejects(client.listRetirableGrants({ retiringServicePrincipal: service }), unsupported);
    const invalid = { code: 'ValidationException' };
    await t.rejects(create({ granteePrincipal: undefined }), invalid);
    await t.rejects(client.listRetirableGrants({}), invalid);
    await t.rejects(create({ operations: [] }), invalid);
    await t.rejects(create({ name: 'a b' }), invalid);
    await t.rejects(create({ name: 'x'.repeat(257) }), invalid);
    await t.rejects(create({ grantTokens: Array.from({ length: 11 }, () => 'x') }), invalid);
    const context = (pairs: number, length: number) =>
      Object.fromEntries(Array.from({ length: pairs }, (_, index) => [`k${index}`, 'x'.repeat(length)]));
    const limits: [object, boolean][] = [
      [context(8, 46), true],
      [context(8, 47), false],
      [context(9, 1), false],
      [context(1, 382), true],
      [context(1, 383), false],
    ];
    for (const [pairs, isAllowed] of limits) {
      const made = create({ constraints: { encryptionContextSubset: pairs as Record<string, string> } });
      if (isAllowed) t.ok(await made);
      else await t.rejects(made, invalid);
    }
    const both = { encryptionContextSubset: { a: '1' }, encryptionContextEquals: { a: '1' } };
    await t.rejects(create({ constraints: both }), {
      ...invalid,
      message: 'More than one constraint supplied',
    });
    for (const grantId of await ids()) await client.revokeGrant({ keyId, grantId: grantId });
  });

  await t.test('grants are listed in pages, and by grantee, grant ID and retiring principal', async (t) => {
    const other = await newKey(client);
    for (let index = 0; index < 7; index++) {
      const granteePrincipal = index % 2 ? alice : bob;
      await create({ granteePrincipal, retiringPrincipal: session, name: `n${index}` });
    }
    const elsewhere = await create({ keyId: other, retiringPrincipal: session });
    const all = await ids();
    t.equal(all.length, 7);
    t.same(all, [...all].sort());
    const pages = async (list: (page: object) => Promise<{ grants?: object[]; nextMarker?: string }>) => {
      const found: object[] = [];
      for (let marker: string | undefined, first = true; first || marker; first = false) {
        const page = await list({ limit: 2, marker });
        t.ok(page.grants!.length <= 2);
        found.push(...page.grants!);
        marker = page.nextMarker;
      }
      return found as { grantId: string; keyId: string; granteePrincipal: string }[];
    };
    t.same(
      (await pages((page) => client.listGrants({ keyId, ...page }))).map(({ grantId }) => grantId),
      all,
    );
    const ofAlice = await pages((page) => client.listGrants({ keyId, granteePrincipal: alice, ...page }));
    t.equal(ofAlice.length, 3);
    t.ok(ofAlice.every(({ granteePrincipal }) => granteePrincipal === alice));
    const [grantId] = all;
    t.same(await ids({ grantId }), [grantId]);
    t.same(await ids({ grantId: 'f'.repeat(64) }), []);
    t.same(await ids({ grantId: elsewhere.grantId }), [], 'a grant of another key is not listed');
    await t.rejects(ids({ grantId: 'x' }), { code: 'InvalidGrantIdException' });
    const retirable = await pages((page) =>
      client.listRetirableGrants({ retiringPrincipal: session, ...page }),
    );
    t.same(
      new Set(retirable.map((grant) => grant.grantId)),
      new Set([...all, elsewhere.grantId]),
      'retirable grants of all keys are listed',
    );
    t.same((await client.listRetirableGrants({ retiringPrincipal: worker })).grants, []);
    await t.rejects(client.listGrants({ keyId: 'alias/none' }), { code: 'NotFoundException' });
  });

  await t.test('a token that CreateGrant did not return is refused, whatever it is for', async (t) => {
    const { grantToken = '', grantId = '' } = await create();
    const bytes = Buffer.from(grantToken, 'base64');
    const changed = (index: number) => {
      const copy = Buffer.from(bytes);
      copy[index]! ^= 1;
      return copy.toString('base64');
    };
    const wrong = [
      changed(0),
      changed(40),
      changed(bytes.length - 1),
      grantToken.slice(0, -4),
      `${grantToken} `,
      'x',
    ];
    const plaintext = Buffer.from('x');
    const refused = async (token: string, code: string) => {
      const grantTokens = [grantToken, token];
      await t.rejects(client.encrypt({ keyId, plaintext, grantTokens }), { code });
      await t.rejects(client.describeKey({ keyId, grantTokens }), { code });
    };
    for (const token of wrong) await refused(token, 'InvalidGrantTokenException');
    // A length that no token has violates the form of the request.
    await refused('', 'ValidationException');
    await t.rejects(client.retireGrant({ grantToken: wrong[0] }), { code: 'InvalidGrantTokenException' });
    t.ok(await client.encrypt({ keyId, plaintext, grantTokens: [grantToken] }));
    await client.revokeGrant({ keyId, grantId });
    t.ok(
      await client.encrypt({ keyId, plaintext, grantTokens: [grantToken] }),
      'the token of a grant that was revoked changes nothing',
    );
  });

  await t.test('the command line takes constraints as the AWS CLI does', async (t) => {
    const own = await newKey(client);
    const run = (...constraints: string[]) => {
      const grantee = ['--grantee-principal', alice, '--operations', 'Encrypt', 'Decrypt'];
      return daemon.cli(['create-grant', '--key-id', own, ...grantee, '--constraints', ...constraints]);
    };
    for (const text of [
      'EncryptionContextSubset={a=1,b=2}',
      '{"EncryptionContextSubset":{"a":"1","b":"2"}}',
    ]) {
      const { code, stdout } = await run(text);
      t.equal(code, 0);
      const { GrantId: grantId } = JSON.parse(stdout) as { GrantId: string };
      const [grant] = (await client.listGrants({ keyId: own, grantId })).grants;
      t.same({ ...grant!.constraints!.encryptionContextSubset }, { a: '1', b: '2' });
    }
    for (const text of [
      'EncryptionContextSubset=a',
      'EncryptionContextSubset',
      'Other={a=1}',
      'EncryptionContextEquals={a}',
    ])
      t.equal((await run(text)).code, 2, text);
  });

  await t.test('a new user with the name of a deleted grantee is another principal', async (t) => {
    await client.createUser({ userName: 'brief' });
    const own = await newKey(client);
    await create({ keyId: own, granteePrincipal: arn('user/brief'), retiringPrincipal: arn('user/brief') });
    await client.deleteUser({ userName: 'brief' });
    await client.createUser({ userName: 'brief' });
    const { grants } = await client.listGrants({ keyId: own });
    t.match(
      grants,
      [{ granteePrincipal: /^AIDA/, retiringPrincipal: /^AIDA/ }],
      'the list shows the unique IDs of deleted principals',
    );
    t.same((await client.listGrants({ keyId: own, granteePrincipal: arn('user/brief') })).grants, []);
    t.same((await client.listRetirableGrants({ retiringPrincipal: arn('user/brief') })).grants, []);
  });
});
