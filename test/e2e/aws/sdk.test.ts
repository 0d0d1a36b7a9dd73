// What AWS SDKs do besides calling an operation: paginators, retries, wrong clocks; and both transports together.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { connect as connectTcp } from 'node:net';
import * as kms from '@aws-sdk/client-kms';
import { AssumeRoleCommand, GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import t from 'tap';
import { clientConfig, kmsClient, stsClient } from '../../support/aws/aws.js';
import { send } from '../../support/aws/aws-request.js';
import { TestDaemon } from '../../support/daemon.js';

void t.test('the JavaScript SDK', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = kmsClient(t, daemon);
  const native = await daemon.connect();
  t.teardown(() => native.close());
  const { KeyMetadata } = await client.send(new kms.CreateKeyCommand({}));
  const KeyId = KeyMetadata!.KeyId!;

  await t.test('paginators read a list to its end', async (t) => {
    for (let index = 0; index < 5; index++)
      await client.send(new kms.CreateAliasCommand({ AliasName: `alias/a${index}`, TargetKeyId: KeyId }));
    const names: string[] = [];
    for await (const page of kms.paginateListAliases({ client, pageSize: 2 }, {})) {
      t.ok(page.Aliases!.length <= 2);
      names.push(...page.Aliases!.map(({ AliasName }) => AliasName!));
    }
    t.strictSame(names.filter((name) => /^alias\/a\d$/.test(name)).length, 5);
    const keys: string[] = [];
    for await (const page of kms.paginateListKeys({ client, pageSize: 1 }, {}))
      keys.push(...page.Keys!.map((each) => each.KeyId!));
    t.strictSame(keys, [KeyId]);
  });

  await t.test('there is a paginator for every list, and each ends', async (t) => {
    const TagKeys = Array.from({ length: 5 }, (_each, index) => `tag${index}`);
    await client.send(
      new kms.TagResourceCommand({ KeyId, Tags: TagKeys.map((TagKey) => ({ TagKey, TagValue: '' })) }),
    );
    const root = 'arn:aws:iam::000000000000:root';
    for (let index = 0; index < 5; index++) {
      const Name = `grant${index}`;
      const grant = { KeyId, GranteePrincipal: root, RetiringPrincipal: root, Name };
      await client.send(new kms.CreateGrantCommand({ ...grant, Operations: ['Encrypt'] }));
      await client.send(new kms.RotateKeyOnDemandCommand({ KeyId }));
    }
    const options = { client, pageSize: 2 };
    const lists: Readonly<
      Record<string, readonly [pages: AsyncIterable<object>, member: string, count: number]>
    > = {
      DescribeCustomKeyStores: [kms.paginateDescribeCustomKeyStores(options, {}), 'CustomKeyStores', 0],
      ListAliases: [kms.paginateListAliases(options, { KeyId }), 'Aliases', 5],
      ListGrants: [kms.paginateListGrants(options, { KeyId }), 'Grants', 5],
      ListKeyPolicies: [kms.paginateListKeyPolicies(options, { KeyId }), 'PolicyNames', 1],
      ListKeyRotations: [kms.paginateListKeyRotations(options, { KeyId }), 'Rotations', 5],
      ListKeys: [kms.paginateListKeys(options, {}), 'Keys', 1],
      ListResourceTags: [kms.paginateListResourceTags(options, { KeyId }), 'Tags', 5],
      ListRetirableGrants: [
        kms.paginateListRetirableGrants(options, { RetiringPrincipal: root }),
        'Grants',
        5,
      ],
    };
    const paginators = Object.keys(kms).filter((name) => name.startsWith('paginate'));
    t.strictSame(paginators.map((name) => name.slice('paginate'.length)).sort(), Object.keys(lists).sort());
    for (const [name, [pages, member, count]] of Object.entries(lists)) {
      const sizes: number[] = [];
      for await (const page of pages) sizes.push((page as Record<string, unknown[]>)[member]!.length);
      t.equal(
        sizes.reduce((sum, size) => sum + size, 0),
        count,
        name,
      );
      t.ok(
        sizes.every((size) => size <= 2),
        `${name}: ${sizes.join()}`,
      );
    }
  });

  await t.test('a client with a wrong clock corrects it by the reply and is then accepted', async (t) => {
    const late = kmsClient(t, daemon, { systemClockOffset: -3_600_000 });
    t.match(await late.send(new kms.ListKeysCommand({})), { Keys: [{ KeyId }], $metadata: { attempts: 2 } });
  });

  await t.test('a request is retried after its connection breaks', async (t) => {
    // Breaks every other connection, and forwards the rest to the daemon.
    const { port } = new URL(daemon.wss);
    let connections = 0;
    const proxy = createServer((socket) => {
      socket.on('error', () => undefined);
      if (connections++ % 2 === 0) {
        socket.destroy();
        return;
      }
      const onward = connectTcp(Number(port), '127.0.0.1');
      onward.on('error', () => undefined);
      socket.pipe(onward).pipe(socket);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const address = proxy.address() as { port: number };
    const through = new kms.KMSClient({
      ...clientConfig(daemon),
      endpoint: `https://127.0.0.1:${address.port}`,
    });
    const { $metadata } = await through.send(new kms.ListKeysCommand({}));
    t.equal($metadata.attempts, 2);
    through.destroy();
    proxy.close();
  });

  await t.test('sts:GetCallerIdentity and its errors', async (t) => {
    const sts = stsClient(t, daemon);
    t.match(await sts.send(new GetCallerIdentityCommand({})), {
      Account: '000000000000',
      Arn: 'arn:aws:iam::000000000000:root',
      UserId: '000000000000',
    });
    const credentials = { ...daemon.credentials, secretAccessKey: 'wrong' };
    const wrong = stsClient(t, daemon, { credentials });
    await t.rejects(wrong.send(new GetCallerIdentityCommand({})), {
      name: 'SignatureDoesNotMatch',
      $metadata: { httpStatusCode: 403, requestId: /^[0-9a-f-]{36}$/ },
    });
    const unknown = stsClient(t, daemon, {
      credentials: { ...credentials, accessKeyId: 'AKIAAAAAAAAAAAAAAAAA' },
    });
    await t.rejects(unknown.send(new GetCallerIdentityCommand({})), { name: 'InvalidClientTokenId' });
    const form = (body: string) =>
      send(daemon, {
        body,
        service: 'sts',
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-amz-target': undefined },
      });
    t.match(await form('Action=ListKeys&Version=2011-06-15'), {
      status: 400,
      text: /<Code>InvalidAction<\/Code>/,
    });
    t.match(await form('Version=2011-06-15'), { status: 400, text: /<Code>InvalidAction<\/Code>/ });
    t.match(await form('Action=AssumeRole'), {
      status: 400,
      text: /<Code>ValidationError<\/Code>.*&#39;roleArn|'roleArn'/,
    });
    const get = (query: string) =>
      send(daemon, {
        method: 'GET',
        path: `/?${query}`,
        body: '',
        service: 'sts',
        headers: { 'content-type': undefined, 'x-amz-target': undefined },
      });
    t.match(await get('Action=GetCallerIdentity&Version=2011-06-15'), {
      status: 200,
      text: /<GetCallerIdentityResult>.*<Account>000000000000<\/Account>/,
    });
    t.match(await get('Action=AssumeRole'), { status: 400, text: /<Code>ValidationError<\/Code>/ });
    t.match(await get('Action=ListKeys'), { status: 400, text: /<Code>InvalidAction<\/Code>/ });
    const twice = 'Action=AssumeRole&RoleArn=a&RoleArn=b';
    t.match(await form(twice), { status: 400, text: /<Code>ValidationError<\/Code>/ });
  });

  await t.test('a role assumed over STS signs for KMS and STS with its session token', async (t) => {
    const { role } = await native.createRole({
      roleName: 'app',
      assumeRolePolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { AWS: '000000000000' },
            Action: ['sts:AssumeRole', 'sts:TagSession'],
          },
        ],
      }),
    });
    const user = await native.createUser({ userName: 'alice' });
    t.ok(user);
    const { accessKey } = await native.createAccessKey({ userName: 'alice' });
    const allow = (Action: string[], Resource: string) =>
      JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource }] });
    const { policy } = await native.createPolicy({
      policyName: 'assume',
      policyDocument: allow(['sts:*'], '*'),
    });
    await native.attachUserPolicy({ userName: 'alice', policyArn: policy.arn });
    const credentials = {
      accessKeyId: accessKey.accessKeyId,
      secretAccessKey: accessKey.secretAccessKey,
    };
    const sts = stsClient(t, daemon, { credentials });
    t.match(await sts.send(new GetCallerIdentityCommand({})), {
      Arn: 'arn:aws:iam::000000000000:user/alice',
    });
    const assumed = await sts.send(
      new AssumeRoleCommand({
        RoleArn: role.arn,
        RoleSessionName: 'session1',
        DurationSeconds: 900,
        Tags: [{ Key: 'team', Value: 'a&b' }],
      }),
    );
    t.match(assumed, { AssumedRoleUser: { Arn: 'arn:aws:sts::000000000000:assumed-role/app/session1' } });
    t.ok(Math.abs(assumed.Credentials!.Expiration!.getTime() - Date.now() - 900_000) < 60_000);
    const { AccessKeyId, SecretAccessKey, SessionToken } = assumed.Credentials!;
    const session = {
      accessKeyId: AccessKeyId!,
      secretAccessKey: SecretAccessKey!,
      sessionToken: SessionToken!,
    };
    const asRole = kmsClient(t, daemon, { credentials: session });
    const self = await stsClient(t, daemon, { credentials: session }).send(new GetCallerIdentityCommand({}));
    t.equal(self.Arn, assumed.AssumedRoleUser!.Arn);
    await t.rejects(asRole.send(new kms.CreateKeyCommand({})), {
      name: 'AccessDeniedException',
      message: /assumed-role\/app\/session1 is not authorized to perform: kms:CreateKey/,
    });
    t.match(daemon.events('CreateKey').at(-1), {
      userIdentity: { type: 'AssumedRole' },
      sourceIPAddress: '127.0.0.1',
    });
    const other = kmsClient(t, daemon, {
      credentials: { ...session, sessionToken: `${SessionToken!.slice(0, -8)}AAAAAAA=` },
    });
    await t.rejects(other.send(new kms.ListKeysCommand({})), { name: 'UnrecognizedClientException' });
    await t.rejects(
      sts.send(
        new AssumeRoleCommand({ RoleArn: 'arn:aws:iam::000000000000:role/none', RoleSessionName: 'xx' }),
      ),
      { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } },
    );
  });

  await t.test(
    'one transport decrypts and verifies what the other encrypted, signed and MACed',
    async (t) => {
      const context = { purpose: 'both', ünïcode: '✓' };
      const plaintext = Buffer.from('both ways');
      const { ciphertextBlob } = await native.encrypt({
        keyId: KeyId,
        plaintext,
        encryptionContext: context,
      });
      const decrypted = await client.send(
        new kms.DecryptCommand({ CiphertextBlob: ciphertextBlob, EncryptionContext: context }),
      );
      t.strictSame(Buffer.from(decrypted.Plaintext!), plaintext);
      const encrypted = await client.send(
        new kms.EncryptCommand({ KeyId, Plaintext: plaintext, EncryptionContext: context }),
      );
      const back = await native.decrypt({
        ciphertextBlob: encrypted.CiphertextBlob,
        encryptionContext: context,
      });
      t.strictSame(Buffer.from(back.plaintext), plaintext);
      const dataKey = await client.send(new kms.GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }));
      const opened = await native.decrypt({ ciphertextBlob: dataKey.CiphertextBlob });
      t.strictSame(Buffer.from(opened.plaintext), Buffer.from(dataKey.Plaintext!));

      const signing = (await native.createKey({ keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' }))
        .keyMetadata.keyId;
      const signed = await client.send(
        new kms.SignCommand({ KeyId: signing, Message: plaintext, SigningAlgorithm: 'ECDSA_SHA_256' }),
      );
      const verify = {
        keyId: signing,
        message: plaintext,
        signature: signed.Signature!,
        signingAlgorithm: 'ECDSA_SHA_256',
      } as const;
      t.match(await native.verify(verify), { signatureValid: true });
      const mac = (
        await client.send(new kms.CreateKeyCommand({ KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' }))
      ).KeyMetadata!.KeyId!;
      const made = await native.generateMac({ keyId: mac, message: plaintext, macAlgorithm: 'HMAC_SHA_256' });
      const checked = await client.send(
        new kms.VerifyMacCommand({
          KeyId: mac,
          Message: plaintext,
          Mac: made.mac,
          MacAlgorithm: 'HMAC_SHA_256',
        }),
      );
      t.equal(checked.MacValid, true);
      await native.disableKey({ keyId: KeyId });
      await t.rejects(
        client.send(new kms.EncryptCommand({ KeyId, Plaintext: plaintext })),
        kms.DisabledException,
      );
    },
  );
});

void t.test('a stop answers requests in flight, and the next start serves the same keys', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = kmsClient(t, daemon, { maxAttempts: 1 });
  const { KeyMetadata } = await client.send(new kms.CreateKeyCommand({}));
  const slow = client.send(new kms.CreateKeyCommand({ KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' }));
  await new Promise((done) => setTimeout(done, 30));
  t.equal(await daemon.stop(), 0);
  t.match((await slow).KeyMetadata, { KeySpec: 'RSA_2048' });
  await daemon.start();
  const again = kmsClient(t, daemon);
  t.match(await again.send(new kms.DescribeKeyCommand({ KeyId: KeyMetadata!.KeyId! })), {
    KeyMetadata: { Enabled: true },
  });
});

void t.test('HTTP without TLS is served on the loopback if the configuration says so', async (t) => {
  const daemon = await TestDaemon.start(t, 'listen:\n  http:\n    port: 0');
  const [, url] = / (http:\S+)/.exec(daemon.stdout) ?? [];
  const reply = await send(daemon, { over: new URL(url!) });
  t.match(reply, { status: 200, body: { Keys: [] } });
  t.match(
    await send(daemon, { over: new URL(url!), headers: { upgrade: 'websocket', connection: 'upgrade' } }),
    { status: 200 },
  );
  const elsewhere = await TestDaemon.initialise();
  t.teardown(() => elsewhere.remove());
  elsewhere.configure('listen:\n  http:\n    host: 0.0.0.0\n    port: 0');
  await t.rejects(elsewhere.start(), /loopback/);
});
