// Signing keys of access keys on a token of SoftHSM, while answers of the HSM come late.
import { Secrets } from '../../daemon/hsm/secrets.js';
import { createHmac, randomBytes } from 'node:crypto';
import t from 'tap';
import type { KeyStore } from '../../daemon/hsm/key-store.js';
import { AccessKeys } from '../../daemon/identity/access-keys.js';
import { signingKey } from '../../daemon/identity/signatures/sigv4.js';
import { LevelStore } from '../../daemon/store/leveldb/leveldb.js';
import { Records } from '../../daemon/store/records/records.js';
import { connectTo, makeToken, newKey } from '../hsm/token.js';

const days = ['20261231', '20270101'] as const;
const services = ['kms', 'sts'] as const;

/** A key store whose decryptions are released by the test, in any order. */
function held(store: KeyStore): { store: KeyStore; calls: number; letGo: (() => void)[] } {
  const state = { store, calls: 0, letGo: [] as (() => void)[] };
  state.store = new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      if (name !== 'decrypt') return member.bind(target) as unknown;
      return async (...args: Parameters<KeyStore['decrypt']>) => {
        state.calls += 1;
        const answer = await target.decrypt(...args);
        await new Promise<void>((done) => state.letGo.push(done));
        return answer;
      };
    },
  });
  return state;
}

void t.test('signing keys around midnight', async (t) => {
  const { store } = await connectTo(t, makeToken(t));
  const hsm = held(store);
  const macKey = randomBytes(32);
  const mac = (message: Buffer) => Promise.resolve(createHmac('sha256', macKey).update(message).digest());
  const level = await LevelStore.create(t.testdir());
  t.teardown(() => level.close());
  const records = await Records.load(level, 'store-1', mac);
  const accessKeys = new AccessKeys(
    records,
    hsm.store,
    new Secrets(hsm.store, { suite: 1, id: await newKey(store) }),
  );
  const make = async () => {
    const { accessKeyId, secretAccessKey, change } = await accessKeys.create('AIDA');
    await records.commit([change]);
    return { accessKeyId, secretAccessKey };
  };
  const until = async (count: number) => {
    while (hsm.letGo.length < count) await new Promise((done) => setTimeout(done, 5));
  };

  await t.test('each day has its own key, whatever the order of the answers of the HSM', async (t) => {
    for (const order of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [2, 0, 3, 1],
    ]) {
      const { accessKeyId, secretAccessKey } = await make();
      const found = accessKeys.find(accessKeyId);
      hsm.letGo = [];
      hsm.calls = 0;
      const scopes = days.flatMap((day) => services.map((service) => [day, 'us-east-1', service] as const));
      // Requests with an access key that does not exist do not wait for the HSM.
      const ask = () =>
        scopes.map((scope) => [
          accessKeys.signingKey(found, ...scope),
          accessKeys.signingKey(undefined, ...scope),
        ]);
      const asked = [ask(), ask(), ask()];
      await until(scopes.length);
      t.equal(hsm.calls, scopes.length, 'the HSM is asked once for each scope');
      for (const index of order) {
        hsm.letGo[index]!();
        await new Promise((done) => setImmediate(done));
      }
      const right = scopes.map((scope) => signingKey(Buffer.from(secretAccessKey), ...scope));
      for (const round of asked) t.strictSame(await Promise.all(round.map(([key]) => key!)), right);
      for (let round = 0; round < 2; round++)
        for (const [index, scope] of scopes.entries())
          t.strictSame(await accessKeys.signingKey(found, ...scope), right[index], scope.join('/'));
      t.equal(hsm.calls, scopes.length, 'a late answer is cached for its own scope');
    }
  });

  await t.test('nothing is cached for an access key that changed before the answer', async (t) => {
    const { accessKeyId, secretAccessKey } = await make();
    const found = accessKeys.find(accessKeyId)!;
    hsm.letGo = [];
    hsm.calls = 0;
    const late = accessKeys.signingKey(found, days[1], 'us-east-1', 'kms');
    await until(1);
    await records.commit([accessKeys.setActive(accessKeyId, false)]);
    await records.commit([accessKeys.setActive(accessKeyId, true)]);
    await records.commit([accessKeys.setActive(accessKeyId, false)]);
    hsm.letGo[0]!();
    await late;
    t.equal(accessKeys.find(accessKeyId), undefined);
    await records.commit([accessKeys.setActive(accessKeyId, true)]);
    const again = accessKeys.signingKey(accessKeys.find(accessKeyId), days[1], 'us-east-1', 'kms');
    // The record is the same again, so either the HSM is asked again or the right key was cached.
    if (hsm.calls === 2) {
      await until(2);
      hsm.letGo[1]!();
    }
    t.strictSame(await again, signingKey(Buffer.from(secretAccessKey), days[1], 'us-east-1', 'kms'));
  });

  await t.test('a failure is not cached', async (t) => {
    const { accessKeyId, secretAccessKey } = await make();
    const found = accessKeys.find(accessKeyId)!;
    const broken = { ...found, text: found.text.replace(/"secret":"..../, '"secret":"AAAA') };
    hsm.letGo = [];
    await t.rejects(accessKeys.signingKey(broken, days[1], 'us-east-1', 'kms'), {
      code: 'unreadable-secret',
    });
    const key = accessKeys.signingKey(found, days[1], 'us-east-1', 'kms');
    await until(1);
    hsm.letGo[0]!();
    t.strictSame(await key, signingKey(Buffer.from(secretAccessKey), days[1], 'us-east-1', 'kms'));
  });
});
