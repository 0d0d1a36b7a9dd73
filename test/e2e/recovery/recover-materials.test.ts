// Key material of rotations that the restored metadata store does not know: it is listed and recovered.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { describe } from '../../support/imports.js';
import { beginWithCopies } from '../../support/store-copies.js';

const plaintext = Buffer.from('attack at dawn');
const encryptionContext = { tenant: 'a' };

void t.test('materials of rotations over which an older store was accepted', async (t) => {
  const { daemon, copies, recover } = await beginWithCopies(t);
  await daemon.start();
  const first = await daemon.connect();
  const keyId = (await first.createKey({})).keyMetadata.keyId;
  const { currentKeyMaterialId: oldest } = await describe(first, keyId);
  await first.close();
  await daemon.stop();
  copies.take('older');
  await daemon.start();
  const second = await daemon.connect();
  const made = async () => (await second.encrypt({ keyId, plaintext, encryptionContext })).ciphertextBlob;
  const blobs: Uint8Array[] = [await made()];
  for (let count = 0; count < 2; count++) {
    await second.rotateKeyOnDemand({ keyId });
    blobs.push(await made());
  }
  const { currentKeyMaterialId: newest } = await describe(second, keyId);
  await second.close();
  await daemon.stop();
  copies.putBack('older');
  t.match(await recover('--accept-older-store'), { code: 0 });

  await t.test('are listed, and their ciphertexts are named only in log and health', async (t) => {
    await daemon.start();
    const client = await daemon.connect({ maxAttempts: 1 });
    const unnamed = new RegExp(`2 materials of key ${keyId} that no record names.*recover materials`);
    t.match((await daemon.health()).warnings.join('\n'), unnamed);
    const refused = { code: 'InvalidCiphertextException' };
    const error = await client
      .decrypt({ ciphertextBlob: blobs[2], encryptionContext })
      .catch((each: Error) => each);
    t.match(error, refused);
    const forged = Buffer.from(blobs[0]!);
    forged[forged.length - 1]! ^= 1;
    const other = await client
      .decrypt({ ciphertextBlob: forged, encryptionContext })
      .catch((each: Error) => each);
    t.equal(
      (error as Error).message,
      (other as Error).message,
      'the caller gets the same error as for every failed decryption',
    );
    t.match(
      (await daemon.health()).warnings.join('\n'),
      new RegExp(`its record does not know, such as ${newest}`),
    );
    t.match(daemon.stderr, new RegExp(`names key material ${newest} of key ${keyId}`));
    await client.close();
    await daemon.stop();
  });

  const file = join(daemon.home, 'ciphertext');
  const withFile = ['recover', 'materials', keyId, '--ciphertext', file, '--yes'];
  await t.test('are recovered by a ciphertext that identifies them', async (t) => {
    t.match(await daemon.cli(['recover', 'materials', keyId]), { code: 1, stdout: /Nothing was changed/ });
    writeFileSync(file, Buffer.from(blobs[2]!).toString('base64'));
    const none = { code: 1, stderr: /None of them decrypts/ };
    t.match(await daemon.cli(withFile), none, 'without the encryption context nothing is recovered');
    writeFileSync(file, randomBytes(200));
    t.match(await daemon.cli(withFile), { code: 1, stderr: /is not a ciphertext/ });
    writeFileSync(file, blobs[2]!);
    const done = await daemon.cli([...withFile, '--encryption-context', 'tenant=a']);
    t.match(done, { code: 0, stdout: new RegExp(`key material ${newest} again`) });
    await daemon.start();
    const client = await daemon.connect({ maxAttempts: 1 });
    t.teardown(() => client.close());
    for (const ciphertextBlob of [blobs[0], blobs[2]])
      t.same(Buffer.from((await client.decrypt({ ciphertextBlob, encryptionContext })).plaintext), plaintext);
    await t.rejects(client.decrypt({ ciphertextBlob: blobs[1], encryptionContext }));
    t.match(
      await describe(client, keyId),
      { currentKeyMaterialId: oldest },
      'the recovered material does not become current',
    );
    t.match((await daemon.health()).warnings.join('\n'), new RegExp(`1 material of key ${keyId}`));
    t.match(daemon.events('RecoverKeyMaterial'), [{ serviceEventDetails: { keyId, keyMaterialId: newest } }]);
    await daemon.stop();
    t.match(await daemon.admin('audit-verify'), { code: 0 });
  });
});
