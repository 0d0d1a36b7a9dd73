// kill -9 in the middle of imports and deletions of imported material.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { describe, doesNotExpire, newExternalKey, parametersFor } from '../../support/imports.js';
import { labels } from '../../support/token.js';
import { listToken, objectFiles } from '../../torture/token.js';

const plaintext = Buffer.from('attack at dawn');

void t.test('kill -9 at any moment of imports and deletions leaves a consistent state', async (t) => {
  const daemon = await TestDaemon.start(t);
  const first = await daemon.connect();
  const material = randomBytes(32);
  const keyId = await newExternalKey(first);
  const parameters = await parametersFor(first, keyId);
  const keyMaterialId = await parameters.import(material);
  const { ciphertextBlob } = await first.encrypt({ keyId, plaintext });
  const wrapped = parameters.wrap(material);
  await first.close();
  for (let round = 0; round < 6; round++) {
    const client = await daemon.connect({ maxAttempts: 1 });
    const request = {
      keyId,
      importToken: parameters.importToken,
      encryptedKeyMaterial: wrapped,
      ...doesNotExpire,
    };
    let killed = false;
    const work = async () => {
      while (!killed) {
        await client.deleteImportedKeyMaterial({ keyId });
        await client.importKeyMaterial(request);
        await parametersFor(client, keyId).catch(() => undefined);
      }
    };
    const working = work().catch(() => undefined);
    await sleep(60 + 45 * round);
    killed = true;
    await daemon.stop('SIGKILL');
    await working;
    await daemon.start();
    await client.close();
    const after = await daemon.connect();
    const { keyState } = await describe(after, keyId);
    t.equal(
      labels(daemon).filter((label) => label === `keyhold/${keyId}`).length,
      keyState === 'Enabled' ? 1 : 0,
      `the object of the key fits the state ${keyState}`,
    );
    await after.importKeyMaterial(request);
    t.same(Buffer.from((await after.decrypt({ ciphertextBlob })).plaintext), plaintext);
    t.match(await describe(after, keyId), { currentKeyMaterialId: keyMaterialId });
    await after.close();
  }
  await daemon.stop();
  await daemon.start();
  const whole = (await listToken(daemon.home)).filter(({ torn }) => !torn).length;
  const torn = objectFiles(daemon.home) - whole;
  const noun = torn === 1 ? 'object that does' : 'objects that do';
  t.same(
    (await daemon.health()).warnings,
    torn === 0 ? [] : [`the token contains ${torn} ${noun} not belong to this Keyhold`],
    'the token has no unknown objects, except those that SoftHSM left half written',
  );
  await daemon.stop();
  t.match(await daemon.admin('audit-verify'), { code: 0 });
});
