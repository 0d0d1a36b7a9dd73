// Rotation: on demand, automatic, and before AES-GCM's bound on messages.
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Client } from '../../../client/index.js';
import { decodeBlob } from '../../../proto/formats/ciphertext.js';
import { MovableClock } from '../../support/clock.js';
import { TestDaemon } from '../../support/daemon.js';
import { labels, objectsOfMaterial } from '../../support/token.js';

const plaintext = Buffer.from('attack at dawn');
const secondsPerDay = 86_400;

async function newKey(client: Client): Promise<string> {
  return (await client.createKey({})).keyMetadata.keyId;
}

async function currentMaterial(client: Client, keyId: string): Promise<string> {
  return (await client.describeKey({ keyId })).keyMetadata.currentKeyMaterialId!;
}

const near = (actual: number | undefined, expected: number) => Math.abs((actual ?? 0) - expected) < 60;

void t.test('rotation', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  daemon.configure('limits:\n  onDemandRotationsPerKey: 3');
  const clock = new MovableClock(daemon.home);
  await daemon.start(clock.env);
  const client = await daemon.connect();
  t.teardown(() => client.close());

  await t.test(
    'automatic rotation is enabled with a period of 90 to 2,560 days, shown, and disabled',
    async (t) => {
      const keyId = await newKey(client);
      const arn = `arn:aws:kms:us-east-1:000000000000:key/${keyId}`;
      t.same(await client.getKeyRotationStatus({ keyId }), { keyId: arn, keyRotationEnabled: false });
      for (const rotationPeriodInDays of [89, 2_561]) {
        await t.rejects(client.enableKeyRotation({ keyId, rotationPeriodInDays }), {
          code: 'ValidationException',
        });
      }
      t.same(await client.enableKeyRotation({ keyId }), {});
      const byDefault = await client.getKeyRotationStatus({ keyId });
      t.match(byDefault, { keyRotationEnabled: true, rotationPeriodInDays: 365 });
      t.ok(near(byDefault.nextRotationDate, Date.now() / 1000 + 365 * secondsPerDay));
      await client.enableKeyRotation({ keyId, rotationPeriodInDays: 2_560 });
      const longest = await client.getKeyRotationStatus({ keyId });
      t.ok(near(longest.nextRotationDate, Date.now() / 1000 + 2_560 * secondsPerDay));
      await sleep(20);
      for (const same of [{}, { rotationPeriodInDays: 2_560 }]) {
        await client.enableKeyRotation({ keyId, ...same });
        t.same(await client.getKeyRotationStatus({ keyId }), longest, 'the current period continues');
      }
      await client.scheduleKeyDeletion({ keyId });
      t.same(await client.getKeyRotationStatus({ keyId }), { keyId: arn, keyRotationEnabled: false });
      await client.cancelKeyDeletion({ keyId });
      t.match(await client.getKeyRotationStatus({ keyId }), { keyRotationEnabled: true });
      await client.enableKey({ keyId });
      t.same(await client.disableKeyRotation({ keyId }), {});
      t.same(await client.getKeyRotationStatus({ keyId }), { keyId: arn, keyRotationEnabled: false });
      await client.enableKeyRotation({ keyId });
      t.match(
        await client.getKeyRotationStatus({ keyId }),
        { rotationPeriodInDays: 365 },
        'enabling it again begins the default period',
      );
    },
  );

  await t.test('a rotated key encrypts with its new material and decrypts old ciphertexts', async (t) => {
    const keyId = await newKey(client);
    const arn = `arn:aws:kms:us-east-1:000000000000:key/${keyId}`;
    const first = await currentMaterial(client, keyId);
    const old = await client.encrypt({ keyId, plaintext });
    t.same(await client.rotateKeyOnDemand({ keyId }), { keyId: arn });
    const second = await currentMaterial(client, keyId);
    t.not(second, first);
    const opened = await client.decrypt({ ciphertextBlob: old.ciphertextBlob });
    t.match(opened, { keyMaterialId: first });
    t.same(Buffer.from(opened.plaintext), plaintext);
    const made = await client.encrypt({ keyId, plaintext });
    t.match(await client.decrypt({ ciphertextBlob: made.ciphertextBlob }), { keyMaterialId: second });
    const moved = await client.reEncrypt({ ciphertextBlob: old.ciphertextBlob, destinationKeyId: keyId });
    t.match(moved, { sourceKeyMaterialId: first, destinationKeyMaterialId: second });
    const reopened = await client.decrypt({ ciphertextBlob: moved.ciphertextBlob });
    t.match(reopened, { keyMaterialId: second });
    t.same(Buffer.from(reopened.plaintext), plaintext);
    const objects = labels(daemon).filter((label) => label === `keyhold/${keyId}`);
    t.equal(objects.length, 2 * objectsOfMaterial);
    t.match(daemon.events('RotateKeyOnDemand').at(-1), {
      additionalEventData: { keyMaterialId: second },
      resources: [{ ARN: arn }],
    });
  });

  await t.test('rotations are listed in pages, and those on demand are limited', async (t) => {
    const keyId = await newKey(client);
    const arn = `arn:aws:kms:us-east-1:000000000000:key/${keyId}`;
    t.same(await client.listKeyRotations({ keyId }), { rotations: [], truncated: false });
    const materials = [await currentMaterial(client, keyId)];
    for (let count = 0; count < 3; count++) {
      await client.rotateKeyOnDemand({ keyId });
      materials.push(await currentMaterial(client, keyId));
    }
    await t.rejects(client.rotateKeyOnDemand({ keyId }), { code: 'LimitExceededException' });
    const [first, , , current] = materials;
    const onDemand = { keyId: arn, rotationType: 'ON_DEMAND', rotationDate: Number };
    const { rotations } = await client.listKeyRotations({ keyId });
    t.match(rotations, [
      { ...onDemand, keyMaterialId: materials[1], keyMaterialState: 'NON_CURRENT' },
      { ...onDemand, keyMaterialId: materials[2], keyMaterialState: 'NON_CURRENT' },
      { ...onDemand, keyMaterialId: current, keyMaterialState: 'CURRENT' },
    ]);
    t.equal(rotations.length, 3);
    const all = await client.listKeyRotations({ keyId, includeKeyMaterial: 'ALL_KEY_MATERIAL' });
    t.same(all.rotations[0], { keyId: arn, keyMaterialId: first, keyMaterialState: 'NON_CURRENT' });
    const paged: unknown[] = [];
    let marker: string | undefined;
    do {
      const page = await client.listKeyRotations({ keyId, limit: 2, marker });
      paged.push(...page.rotations);
      t.equal(page.truncated, page.nextMarker !== undefined);
      marker = page.nextMarker;
    } while (marker !== undefined);
    t.same(paged, rotations);
    await t.rejects(client.listKeyRotations({ keyId, marker: '!!' }), { code: 'InvalidMarkerException' });
  });

  await t.test('asymmetric and HMAC keys have no rotation', async (t) => {
    const specs = [
      { keySpec: 'ECC_NIST_P256', keyUsage: 'SIGN_VERIFY' },
      { keySpec: 'HMAC_256', keyUsage: 'GENERATE_VERIFY_MAC' },
    ] as const;
    for (const spec of specs) {
      const keyId = (await client.createKey(spec)).keyMetadata.keyId;
      const attempts: Promise<unknown>[] = [
        client.enableKeyRotation({ keyId }),
        client.rotateKeyOnDemand({ keyId }),
      ];
      await Promise.all(
        attempts.map((attempt) =>
          t.rejects(attempt, { code: 'UnsupportedOperationException', message: '' }, spec.keySpec),
        ),
      );
      t.same(
        await client.disableKeyRotation({ keyId }),
        {},
        'disabling a rotation that does not exist succeeds',
      );
      t.match(await client.getKeyRotationStatus({ keyId }), { keyRotationEnabled: false });
      t.same(await client.listKeyRotations({ keyId }), { rotations: [], truncated: false });
    }
  });

  await t.test('a key is rotated automatically when due, unless it is disabled', async (t) => {
    const [keyId, disabled, without] = [await newKey(client), await newKey(client), await newKey(client)];
    const ids = [keyId, disabled, without];
    for (const id of [keyId, disabled])
      await client.enableKeyRotation({ keyId: id, rotationPeriodInDays: 90 });
    await client.disableKey({ keyId: disabled });
    const before = await Promise.all(ids.map((id) => currentMaterial(client, id)));
    const old = await client.encrypt({ keyId, plaintext });
    clock.move('+91d');
    const rotated = () => daemon.events('RotateKey');
    for (let tries = 0; tries < 600 && rotated().length === 0; tries++) await sleep(100);
    await sleep(1_500);
    t.match(rotated(), [
      {
        userIdentity: { type: 'AWSService' },
        resources: [{ ARN: `arn:aws:kms:us-east-1:000000000000:key/${keyId}` }],
        serviceEventDetails: { rotationType: 'AUTOMATIC', previousKeyMaterialId: before[0] },
      },
    ]);
    t.equal(rotated().length, 1, 'once');
    const after = await Promise.all(ids.map((id) => currentMaterial(client, id)));
    t.not(after[0], before[0]);
    t.same(after.slice(1), before.slice(1));
    t.same(Buffer.from((await client.decrypt({ ciphertextBlob: old.ciphertextBlob })).plaintext), plaintext);
    t.match((await client.listKeyRotations({ keyId })).rotations, [{ rotationType: 'AUTOMATIC' }]);
    const { nextRotationDate } = await client.getKeyRotationStatus({ keyId });
    t.ok(near(nextRotationDate, Date.now() / 1000 + 181 * secondsPerDay), 'the next one is a period later');
    await client.enableKey({ keyId: disabled });
    for (let tries = 0; tries < 600 && rotated().length === 1; tries++) await sleep(100);
    t.not(
      await currentMaterial(client, disabled),
      before[1],
      'the disabled key is rotated when it is enabled again',
    );
  });

  await t.test('a rotation on demand is refused within 20 minutes of the automatic one', async (t) => {
    const keyId = await newKey(client);
    await client.enableKeyRotation({ keyId, rotationPeriodInDays: 90 });
    const { nextRotationDate } = await client.getKeyRotationStatus({ keyId });
    const ahead = nextRotationDate! - Date.now() / 1000;
    clock.move(`+${Math.round(ahead - 10 * 60)}`);
    const conflict = { code: 'ConflictException', message: /within 20 minutes/ };
    await t.rejects(client.rotateKeyOnDemand({ keyId }), conflict);
    clock.move(`+${Math.round(ahead - 25 * 60)}`);
    await client.rotateKeyOnDemand({ keyId });
  });
});

void t.test('the bound on messages', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const bound = 2_000;
  daemon.configure(`limits:\n  messagesPerMaterial: ${bound}`);
  await daemon.start();
  /** Number of answered messages, by material. */
  const made = new Map<string, number>();
  const blobs: Uint8Array[] = [];
  const count = (ciphertextBlob: Uint8Array) => {
    blobs.push(ciphertextBlob);
    const { materialId } = decodeBlob(Buffer.from(ciphertextBlob))!;
    made.set(materialId, (made.get(materialId) ?? 0) + 1);
  };
  let keyId = '';

  await t.test(
    'a key is rotated before its material reaches the bound, and no request is lost',
    async (t) => {
      const client = await daemon.connect();
      keyId = await newKey(client);
      const other = await newKey(client);
      const source = await client.encrypt({ keyId: other, plaintext });
      const makers = [
        async () => (await client.encrypt({ keyId, plaintext })).ciphertextBlob,
        async () => (await client.generateDataKey({ keyId, keySpec: 'AES_256' })).ciphertextBlob,
        async () =>
          (await client.generateDataKeyWithoutPlaintext({ keyId, keySpec: 'AES_256' })).ciphertextBlob,
        async () =>
          (await client.reEncrypt({ ciphertextBlob: source.ciphertextBlob, destinationKeyId: keyId }))
            .ciphertextBlob,
      ];
      const lane = async () => {
        for (let index = 0; index < 125; index++) count(await makers[index % makers.length]!());
      };
      await Promise.all(Array.from({ length: 64 }, lane));
      t.equal(blobs.length, 8_000);
      t.ok(made.size >= 4, `${made.size} materials`);
      for (const [materialId, messages] of made) t.ok(messages <= bound, `${materialId}: ${messages}`);
      const { rotations } = await client.listKeyRotations({ keyId, limit: 1_000 });
      t.ok(rotations.every(({ rotationType }) => rotationType === 'AUTOMATIC'));
      t.ok(daemon.events('RotateKey').length >= 3);
      t.match(daemon.stderr, /key material is near its message limit/);
      for (let index = 0; index < blobs.length; index += 97)
        await client.decrypt({ ciphertextBlob: blobs[index] });
      await client.close();
    },
  );

  await t.test('after kill -9 the count is never too low', async (t) => {
    for (let round = 0; round < 3; round++) {
      const client = await daemon.connect({ maxAttempts: 1 });
      const lane = async () => {
        for (let index = 0; index < 200; index++)
          count((await client.encrypt({ keyId, plaintext })).ciphertextBlob);
      };
      const lanes = Promise.allSettled(Array.from({ length: 32 }, lane));
      await sleep(150 + 100 * round);
      await daemon.stop('SIGKILL');
      await lanes;
      await client.close();
      await daemon.start();
    }
    for (const [materialId, messages] of made) t.ok(messages <= bound, `${materialId}: ${messages}`);
    t.ok(blobs.length > 8_000, `${blobs.length - 8_000} more messages`);
    const client = await daemon.connect();
    for (let index = 0; index < blobs.length; index += 97)
      await client.decrypt({ ciphertextBlob: blobs[index] });
    await client.close();
  });
});
