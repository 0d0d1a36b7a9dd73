// The AWS Encryption SDK for JavaScript with a KMS keyring.
import {
  buildClient,
  CommitmentPolicy,
  getLocalCryptographicMaterialsCache,
  KmsKeyringNode,
  NodeCachingMaterialsManager,
} from '@aws-crypto/client-node';
import { KMS } from '@aws-sdk/client-kms';
import t from 'tap';
import { clientConfig } from '../../support/aws/aws.js';
import { TestDaemon } from '../../support/daemon.js';

void t.test('the AWS Encryption SDK', async (t) => {
  const daemon = await TestDaemon.start(t);
  const native = await daemon.connect();
  t.teardown(() => native.close());
  const arn = async () => (await native.createKey({})).keyMetadata.arn;
  const [first, second, third] = [await arn(), await arn(), await arn()];
  const client = new KMS(clientConfig(daemon));
  t.teardown(() => client.destroy());
  const clientProvider = () => client as never;
  const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
  const encryptionContext = { purpose: 'test', origin: 'eu' };
  const plaintext = 'attack at dawn';
  const both = new KmsKeyringNode({ clientProvider, generatorKeyId: first, keyIds: [second] });
  const { result } = await encrypt(both, plaintext, { encryptionContext });

  await t.test('each of several keys decrypts what was encrypted under all of them', async (t) => {
    for (const keyId of [first, second]) {
      const opened = await decrypt(new KmsKeyringNode({ clientProvider, keyIds: [keyId] }), result);
      t.equal(opened.plaintext.toString(), plaintext);
      t.match(opened.messageHeader.encryptionContext, encryptionContext);
    }
    await t.rejects(decrypt(new KmsKeyringNode({ clientProvider, keyIds: [third] }), result));
    await native.disableKey({ keyId: first });
    const opened = await decrypt(both, result);
    t.equal(opened.plaintext.toString(), plaintext, 'the second key decrypts without the first');
    await native.enableKey({ keyId: first });
  });

  await t.test('a discovery filter finds the key by account and partition', async (t) => {
    const discovery = (accountIDs: string[]) =>
      new KmsKeyringNode({
        clientProvider,
        discovery: true,
        discoveryFilter: { partition: 'aws', accountIDs },
      });
    t.equal((await decrypt(discovery(['000000000000']), result)).plaintext.toString(), plaintext);
    await t.rejects(decrypt(discovery(['111111111111']), result));
  });

  await t.test('a cache of data keys calls the service once', async (t) => {
    const before = daemon.events('GenerateDataKey').length;
    const cache = getLocalCryptographicMaterialsCache(10);
    const manager = new NodeCachingMaterialsManager({ backingMaterials: both, cache, maxAge: 60_000 });
    for (let round = 0; round < 3; round++) {
      const sealed = await encrypt(manager, plaintext, {
        encryptionContext,
        plaintextLength: plaintext.length,
      });
      t.equal((await decrypt(both, sealed.result)).plaintext.toString(), plaintext);
    }
    t.equal(daemon.events('GenerateDataKey').length, before + 1);
  });

  await t.test('an altered message is not decrypted', async (t) => {
    const changed = Buffer.from(result);
    changed[changed.length - 1]! ^= 1;
    await t.rejects(decrypt(both, changed));
  });
});
