// Profiles of modules that are not available here, with a module that behaves like them.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { KeyStoreConfig } from '../../daemon/hsm/pool/config.js';
import { connect } from '../../daemon/hsm/pool/connect.js';
import { fileLatch } from '../../daemon/hsm/pool/latch.js';
import { keySpecs } from '../../daemon/keys/specs/table.js';
import { LIBRARY, PIN, connectTo, makeToken, newKey } from '../hsm/token.js';
import { Faults, buildModule } from './faults.js';

const aad = Buffer.from('context');
const text = Buffer.from('attack at dawn');

function scene(t: Test) {
  const token = makeToken(t);
  const faults = new Faults(join(token.home, 'faults'));
  t.teardown(() => faults.close());
  const env = { ...token.env, ...faults.env(LIBRARY), FAULTS_PIN: PIN };
  const changes: Partial<KeyStoreConfig> = { library: buildModule(), env };
  return { token, faults, changes };
}

void t.test('a module that generates the IVs of AES-GCM and returns them', async (t) => {
  const { token, faults, changes } = scene(t);
  faults.drawIvs('given back');
  const { store } = await connectTo(t, token, { ...changes, quirks: { drawsIvs: true }, sessionCopies: 1 });
  const keys = [await newKey(store), await newKey(store)].map((id) => ({ suite: 1, id }) as const);
  const random = faults.add('C_GenerateRandom', 'count');
  const made = await Promise.all(
    Array.from({ length: 300 }, async (_, n) => ({
      key: keys[n % 2]!,
      message: await store.encrypt(keys[n % 2]!, aad, text),
    })),
  );
  t.equal(new Set(made.map(({ message }) => message.iv.toString('hex'))).size, 300, 'no IV is used twice');
  t.equal(random.fired, 0, 'the worker generates no IV');
  random.clear();
  for (const { key, message } of made) t.ok((await store.decrypt(key, aad, message)).equals(text));
  const { plaintext, ...dataKey } = await store.dataKey(keys[0]!, aad, 32);
  t.ok((await store.decrypt(keys[0]!, aad, dataKey)).equals(plaintext));
  const pair = await store.dataKeyPair(keys[0]!, aad, keySpecs.ECC_NIST_P256.dataKeyPair!);
  t.ok((await store.decrypt(keys[0]!, aad, pair)).equals(pair.privateKey));
  const moved = await store.reEncrypt(keys[0]!, aad, made[0]!.message, keys[1]!, aad);
  t.ok((await store.decrypt(keys[1]!, aad, moved)).equals(text));
});

void t.test('a module that does not return its IV makes no ciphertext', async (t) => {
  const { token, faults, changes } = scene(t);
  const { store } = await connectTo(t, token, { ...changes, quirks: { drawsIvs: true } });
  const key = { suite: 1, id: await newKey(store) } as const;
  for (const keep of [() => undefined, () => faults.drawIvs('kept')]) {
    keep();
    await t.rejects(store.encrypt(key, aad, text), { code: 'unsupported', message: /gcmIv.*suite to 2/ });
  }
});

void t.test('a PIN that is entered at the device', async (t) => {
  const { token, faults, changes } = scene(t);
  const latch = fileLatch(token.home, 'test');
  const readPin = () => Promise.resolve(Buffer.alloc(0));
  const config = token.config({ ...changes, quirks: { protectedPath: true }, readPin, latch });
  const logins = faults.add('C_Login', 'count');
  await t.rejects(connect(config), { code: 'unavailable', message: /must not say protectedPath/ });
  t.equal(logins.fired, 0, 'a token without a protected path is given no empty PIN');
  faults.protectPath();
  const store = await connect(config);
  t.teardown(() => store.close());
  const key = { suite: 1, id: await newKey(store) } as const;
  t.ok((await store.decrypt(key, aad, await store.encrypt(key, aad, text))).equals(text));
  t.equal(logins.fired, 1);
  t.notOk(latch.isSet());
});
