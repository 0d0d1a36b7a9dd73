import { randomBytes } from 'node:crypto';
import { type ITemplate, KeyGenMechanism, ObjectClass, registerAttribute } from 'graphene-pk11';
import pkcs11 from 'pkcs11js';
import t from 'tap';
import { AES_256, P_256, connectTo, makeToken, newKey, openSession, pids, until } from './token.js';

// A CKA_LABEL that is not UTF-8.
registerAttribute('labelBytes', pkcs11.CKA_LABEL, 'buffer');

const aad = Buffer.alloc(5);

void t.test('a new key can be used at once, and soon in all workers without a search', async (t) => {
  const { store, events } = await connectTo(t, makeToken(t), { workers: 3 });
  await until(() => pids(events).length === 3);
  const ids = await Promise.all(Array.from({ length: 4 }, () => newKey(store)));
  for (let round = 0; round < 20; round++) {
    // More than one worker accepts, so that all get some.
    const messages = await Promise.all(
      Array.from({ length: 600 }, (_, n) => store.encrypt({ suite: 1, id: ids[n % 4] as Buffer }, aad, aad)),
    );
    t.equal(messages.length, 600);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});

void t.test('a destroyed key is gone from all workers and from the token', async (t) => {
  const token = makeToken(t);
  const { store, events } = await connectTo(t, token, { workers: 3 });
  await until(() => pids(events).length === 3);
  const id = await newKey(store);
  const pair = await newKey(store, P_256);
  const other = { suite: 1, id: await newKey(store) } as const;
  const key = { suite: 1, id } as const;
  await Promise.all(Array.from({ length: 1000 }, () => store.encrypt(key, aad, aad)));
  await Promise.all([store.destroy(id), store.destroy(pair)]);
  t.equal(await store.exists(id), false);
  t.equal(await store.exists(pair), false);
  const answers = await Promise.allSettled(Array.from({ length: 300 }, () => store.encrypt(key, aad, aad)));
  for (const answer of answers) t.match(answer, { status: 'rejected', reason: { code: 'no-such-object' } });
  await t.rejects(store.publicKey(pair), { code: 'no-such-object' });
  await store.destroy(id);
  await store.encrypt(other, aad, aad);
  const { find } = openSession(t, token);
  t.strictSame([...find(id), ...find(pair)], []);
});

void t.test('jobs that wait while their key is destroyed do not restore its copy', async (t) => {
  const { store, events } = await connectTo(t, makeToken(t), { workers: 2 });
  await until(() => pids(events).length === 2);
  const key = { suite: 1, id: await newKey(store) } as const;
  const jobs = Array.from({ length: 2000 }, () => store.encrypt(key, aad, aad));
  const destroyed = store.destroy(key.id);
  const answers = await Promise.allSettled(jobs);
  for (const answer of answers)
    if (answer.status === 'rejected') t.match(answer.reason, { code: 'no-such-object' });
  await destroyed;
  await t.rejects(store.encrypt(key, aad, aad), { code: 'no-such-object' });
});

void t.test('a key destroyed by another program is missing, and one created by it is found', async (t) => {
  const token = makeToken(t);
  const { store } = await connectTo(t, token, { sessionCopies: 0 });
  const gone = { suite: 1, id: await newKey(store) } as const;
  await store.encrypt(gone, aad, aad);
  const { session, find } = openSession(t, token);
  for (const object of find(gone.id)) object.destroy();
  await t.rejects(store.encrypt(gone, aad, aad), { code: 'no-such-object' });
  const found = randomBytes(16);
  session.generateKey(KeyGenMechanism.AES, { token: true, id: found, valueLen: 32, encrypt: true });
  await store.encrypt({ suite: 1, id: found }, aad, aad);
  t.equal(store.state, 'connected');
});

void t.test('foreign objects are listed as they are and never touched', async (t) => {
  const token = makeToken(t);
  const id = randomBytes(16);
  {
    const { session } = openSession(t, token);
    const key = (attributes: ITemplate) =>
      session.generateKey(KeyGenMechanism.AES, { token: true, valueLen: 32, ...attributes });
    key({});
    key({ id: Buffer.from('short') });
    key({ labelBytes: Buffer.of(0xff, 0xfe, 0x00, 0x22, 0x0a) });
    key({ label: 'l'.repeat(5000) });
    key({ id, label: 'keyhold/é' });
    session.create({
      ...{ class: ObjectClass.DATA, token: true },
      ...{ label: 'data has no CKA_ID', value: Buffer.from('x') },
    });
  }
  const { store } = await connectTo(t, token, { workers: 2 });
  t.equal(store.objects.length, 6);
  const byLabel = new Map(store.objects.map((object) => [object.label, object]));
  t.strictSame(byLabel.get('keyhold/é'), { class: pkcs11.CKO_SECRET_KEY, id, label: 'keyhold/é' });
  t.equal(byLabel.get('data has no CKA_ID')?.class, pkcs11.CKO_DATA);
  t.equal(byLabel.get('data has no CKA_ID')?.id.length, 0);
  t.ok(byLabel.has('l'.repeat(5000)));
  t.ok(store.objects.some((object) => object.id.equals(Buffer.from('short'))));
  const own = randomBytes(16);
  await store.generate(own, 'own', AES_256);
  await store.destroy(own);
  const { store: again } = await connectTo(t, token);
  t.equal(again.objects.length, 6);
});
