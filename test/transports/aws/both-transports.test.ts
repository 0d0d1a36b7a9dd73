// Grants created over one transport and used over the other.
import * as kms from '@aws-sdk/client-kms';
import t from 'tap';
import { kmsClient } from '../../support/aws/aws.js';
import { TestDaemon } from '../../support/daemon.js';

void t.test('a grant created over one transport is used, listed and ended over the other', async (t) => {
  const daemon = await TestDaemon.start(t);
  const root = { native: await daemon.connect(), aws: kmsClient(t, daemon) };
  await root.native.createUser({ userName: 'alice' });
  const { accessKey } = await root.native.createAccessKey({ userName: 'alice' });
  const credentials = { accessKeyId: accessKey.accessKeyId, secretAccessKey: accessKey.secretAccessKey };
  const alice = {
    native: await daemon.connect({ credentials }),
    aws: kmsClient(t, daemon, { credentials, maxAttempts: 1 }),
  };
  t.teardown(() => Promise.all([root.native.close(), alice.native.close()]));
  const { keyMetadata } = await root.native.createKey({});
  const keyId = keyMetadata.keyId;
  const arn = 'arn:aws:iam::000000000000:user/alice';
  const plaintext = Buffer.from('granted');
  const context = { purpose: 'granted' };
  const name = { code: 'AccessDeniedException' };
  const awsName = { name: 'AccessDeniedException' };

  await t.test('created by the SDK; used, retired and revoked natively', async (t) => {
    const create = new kms.CreateGrantCommand({
      KeyId: keyId,
      GranteePrincipal: arn,
      RetiringPrincipal: arn,
      Operations: ['Encrypt', 'Decrypt'],
      Constraints: { EncryptionContextEquals: context },
      Name: 'from-the-SDK',
    });
    const { GrantId, GrantToken } = await root.aws.send(create);
    t.match(await root.native.listGrants({ keyId }), {
      grants: [
        {
          grantId: GrantId,
          name: 'from-the-SDK',
          granteePrincipal: arn,
          constraints: { encryptionContextEquals: context },
        },
      ],
    });
    const grantTokens = [GrantToken!];
    const { ciphertextBlob } = await alice.native.encrypt({
      keyId,
      plaintext,
      encryptionContext: context,
      grantTokens,
    });
    const opened = await alice.native.decrypt({ ciphertextBlob, encryptionContext: context });
    t.strictSame(Buffer.from(opened.plaintext), plaintext);
    await t.rejects(
      alice.native.encrypt({ keyId, plaintext }),
      name,
      'the grant is not used without its context',
    );
    await alice.native.retireGrant({ grantToken: GrantToken! });
    await t.rejects(alice.native.encrypt({ keyId, plaintext, encryptionContext: context }), name);
    await t.rejects(
      alice.aws.send(
        new kms.EncryptCommand({ KeyId: keyId, Plaintext: plaintext, EncryptionContext: context }),
      ),
      awsName,
    );
    const again = await root.aws.send(create);
    await alice.native.encrypt({ keyId, plaintext, encryptionContext: context });
    await root.native.revokeGrant({ keyId, grantId: again.GrantId! });
    await t.rejects(alice.native.encrypt({ keyId, plaintext, encryptionContext: context }), name);
  });

  await t.test('created natively; used, retired and revoked by the SDK', async (t) => {
    const request = {
      keyId,
      granteePrincipal: arn,
      retiringPrincipal: arn,
      operations: ['GenerateDataKey', 'Decrypt'] as const,
      constraints: { encryptionContextSubset: context },
    };
    const made = await root.native.createGrant({ ...request, operations: [...request.operations] });
    t.match(await root.aws.send(new kms.ListGrantsCommand({ KeyId: keyId })), {
      Grants: [{ GrantId: made.grantId, Constraints: { EncryptionContextSubset: context } }],
    });
    t.match(
      await alice.aws.send(new kms.ListRetirableGrantsCommand({ RetiringPrincipal: arn })).catch(String),
      /AccessDenied/,
    );
    const dataKey = new kms.GenerateDataKeyCommand({
      KeyId: keyId,
      KeySpec: 'AES_256',
      EncryptionContext: { ...context, more: 'x' },
      GrantTokens: [made.grantToken],
    });
    const { CiphertextBlob, Plaintext } = await alice.aws.send(dataKey);
    const opened = await alice.aws.send(
      new kms.DecryptCommand({ CiphertextBlob, EncryptionContext: { ...context, more: 'x' } }),
    );
    t.strictSame(opened.Plaintext, Plaintext);
    await alice.aws.send(new kms.RetireGrantCommand({ KeyId: keyMetadata.arn, GrantId: made.grantId }));
    await t.rejects(alice.aws.send(dataKey), awsName);
    const again = await root.native.createGrant({ ...request, operations: [...request.operations] });
    await alice.aws.send(dataKey);
    await root.aws.send(new kms.RevokeGrantCommand({ KeyId: keyId, GrantId: again.grantId }));
    await t.rejects(alice.aws.send(dataKey), awsName);
    t.match(await root.native.listGrants({ keyId }), { grants: [] });
  });
});
