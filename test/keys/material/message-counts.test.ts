// The reserved message counts, on a real store; the daemon's tests use them under load and kill -9.
import { createHmac } from 'node:crypto';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { KeyError } from '../../../daemon/keys/errors.js';
import { Namer } from '../../../daemon/keys/identifiers.js';
import { Keyring, putKey } from '../../../daemon/keys/keyring.js';
import type { Key } from '../../../daemon/keys/key.js';
import { MessageCounts } from '../../../daemon/keys/material/message-counts.js';
import type { KeyRecord } from '../../../daemon/keys/record.js';
import { LevelStore } from '../../../daemon/store/leveldb/leveldb.js';
import { Records } from '../../../daemon/store/records/records.js';

const mac = (message: Buffer) => Promise.resolve(createHmac('sha256', 'key').update(message).digest());
const keyId = '1234abcd-12ab-34cd-56ef-1234567890ab';
const material = (digit: string) => ({
  materialId: digit.repeat(64),
  objectId: digit.repeat(32),
  suite: 1 as const,
  createdAt: 0,
});
const record: KeyRecord = {
  keyId,
  createdAt: 0,
  description: '',
  enabled: true,
  keySpec: 'SYMMETRIC_DEFAULT',
  keyUsage: 'ENCRYPT_DECRYPT',
  multiRegion: false,
  origin: 'AWS_KMS' as const,
  keyManager: 'CUSTOMER' as const,
  policy: '',
  tags: [],
  materials: [material('1')],
};
const log = pino({ level: 'silent' });

interface Counting {
  readonly counts: MessageCounts;
  readonly keyring: Keyring;
  readonly records: Records;
  readonly key: () => Key;
}

/**
 * @param rotate called when the key must be rotated
 * @param authenticate makes the MACs of records
 */
async function open(
  store: LevelStore,
  bound: number,
  rotate: (records: Records, keyring: Keyring) => Promise<void>,
  authenticate = mac,
): Promise<Counting> {
  const records = await Records.load(store, 'store-1', authenticate);
  if (records.get(`key/${keyId}`) === undefined) await records.commit([putKey(record)]);
  const keyring = new Keyring(records, new Namer('000000000000', 'us-east-1'));
  const counts = await MessageCounts.open(records, {
    keyring,
    bound,
    rotate: () => rotate(records, keyring),
    log,
  });
  return { counts, keyring, records, key: () => keyring.existing(keyId) };
}

async function openStore(t: Test): Promise<LevelStore> {
  const store = await LevelStore.create(t.testdir());
  t.teardown(() => store.close());
  return store;
}

const cannot = () => Promise.reject(new KeyError('unsupported-operation', 'not this key'));

for (const bound of [1, 7, 1_000, 5_000]) {
  void t.test(
    `material that cannot be rotated encrypts exactly ${bound} messages, then refuses`,
    async (t) => {
      const { counts, key } = await open(await openStore(t), bound, cannot);
      const claims = Array.from({ length: bound + 50 }, async () => counts.claim(key()));
      const results = await Promise.allSettled(claims);
      t.equal(results.filter(({ status }) => status === 'fulfilled').length, bound);
      const refusals = results.flatMap((result) =>
        result.status === 'rejected' ? [result.reason as unknown] : [],
      );
      t.ok(refusals.every((reason) => reason instanceof KeyError && reason.code === 'limit-exceeded'));
      await t.rejects(async () => counts.claim(key()), { code: 'limit-exceeded' });
    },
  );
}

void t.test('starts that lose the counts never allow more messages than the bound', async (t) => {
  const store = await openStore(t);
  const bound = 5_000;
  let claimed = 0;
  for (let start = 0; start < 40; start++) {
    const { counts, records, key } = await open(store, bound, cannot);
    for (let count = 0; count < start * 13; count++) {
      try {
        await counts.claim(key());
        claimed += 1;
      } catch {
        break;
      }
    }
    // Two daemons never share a store: this one's work ends before the next one starts.
    await records.commit([]);
  }
  t.ok(claimed <= bound, `${claimed}`);
  t.ok(claimed > bound / 2, 'and not much less');
});

void t.test(
  'during a rotation the old material is used; once it is used up, requests get the new one',
  async (t) => {
    const bound = 1_000;
    let rotations = 0;
    const { counts, key } = await open(await openStore(t), bound, async (records, keyring) => {
      rotations += 1;
      await new Promise((done) => setTimeout(done, 20));
      await records.commit(() => {
        const { record } = keyring.existing(keyId);
        return [putKey({ ...record, materials: [...record.materials, material(String(rotations + 1))] })];
      });
    });
    const made = new Map<string, number>();
    const lane = async () => {
      for (let count = 0; count < 100; count++) {
        const { materialId } = (await counts.claim(key())).current;
        made.set(materialId, (made.get(materialId) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 35 }, lane));
    t.equal(
      [...made.values()].reduce((sum, count) => sum + count),
      3_500,
    );
    for (const count of made.values()) t.ok(count <= bound, `${count}`);
    // One material encrypts 750 to 1,000, and its last rotation may come without a message after it.
    t.ok(rotations >= 3 && rotations <= 4, `each rotation happens once: ${rotations}`);
  },
);

void t.test(
  'a store that cannot be written stops new messages, and only when the block is used up',
  async (t) => {
    const store = await LevelStore.create(t.testdir());
    const { counts, key } = await open(store, 64_000, cannot);
    await store.close();
    // 62 come with the start; 64,000 / 1,024.
    for (let count = 0; count < 62; count++) t.equal(await counts.claim(key()), key());
    await t.rejects(async () => counts.claim(key()));
  },
);

void t.test(
  'a busy material reserves its next block early, and continues after the HSM failed meanwhile',
  async (t) => {
    let fails = false;
    let refused = 0;
    const failing = (message: Buffer) => {
      if (!fails) return mac(message);
      refused += 1;
      return Promise.reject(new Error('the HSM is away'));
    };
    const { counts, key, records } = await open(await openStore(t), 2 ** 32, cannot, failing);
    const use = async (count: number) => {
      for (let used = 0; used < count; used++) t.equal(await counts.claim(key()), key());
      await new Promise((done) => setTimeout(done, 50));
    };
    const block = () => records.get(`message-count/${'1'.repeat(64)}`);
    await use(64);
    t.equal(block(), undefined, 'a key that is hardly used costs no record');
    fails = true;
    await use(1);
    t.ok(refused > 0, 'it is reserved with the 65th message');
    await use(1_000);
    fails = false;
    await use(1_100);
    // It is written in the background.
    for (let tries = 0; tries < 200 && block() === undefined; tries++)
      await new Promise((done) => setTimeout(done, 50));
    t.match(block(), /"reserved":/, 'and tried again when half of what is left is used up');
  },
);

void t.test('a claim costs less than a microsecond', async (t) => {
  const { counts, key } = await open(await openStore(t), 2 ** 32, cannot);
  const current = key();
  for (let count = 0; count < 4_000; count++) await counts.claim(current);
  await new Promise((done) => setTimeout(done, 200));
  const begun = performance.now();
  for (let count = 0; count < 200_000; count++) void counts.claim(current);
  const nanoseconds = ((performance.now() - begun) * 1e6) / 200_000;
  t.comment(`${nanoseconds.toFixed(0)} ns`);
  t.ok(nanoseconds < 1_000);
});
