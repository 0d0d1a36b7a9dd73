// Objects that another program created in the token while workers use it.
import { randomBytes } from 'node:crypto';
import {
  CertificateType,
  type ITemplate,
  KeyGenMechanism,
  ObjectClass,
  registerAttribute,
} from 'graphene-pk11';
import pkcs11 from 'pkcs11js';
import t, { type Test } from 'tap';
import type { KeyStore } from '../../daemon/hsm/key-store.js';
import { connectTo, makeToken, newKey, openSession, pids, until } from './token.js';

// CKA_COPYABLE of PKCS #11 v2.40, of which graphene knows only the name.
registerAttribute('copyable', 0x171, 'boolean');

const nothing = Buffer.alloc(0);
const encrypts = (store: KeyStore, id: Buffer) => store.encrypt({ suite: 1, id }, nothing, Buffer.from('x'));

function prepare(t: Test) {
  const token = makeToken(t);
  const { session, find } = openSession(t, token);
  const aes = (id: Buffer, more: ITemplate = {}) =>
    session.generateKey(KeyGenMechanism.AES, {
      ...{ token: true, private: true, sensitive: true, extractable: false },
      ...{ id, label: 'foreign', valueLen: 32, encrypt: true, decrypt: true },
      ...more,
    });
  return { token, session, find, aes };
}

void t.test('objects are found by attributes, and unreadable attributes are left out', async (t) => {
  const { token, aes } = prepare(t);
  const { store } = await connectTo(t, token);
  aes(Buffer.of(7));
  const types = [pkcs11.CKA_ID, pkcs11.CKA_VALUE_LEN, pkcs11.CKA_MODULUS, pkcs11.CKA_VALUE];
  const match = [[pkcs11.CKA_LABEL, Buffer.from('foreign').toString('hex')]] as const;
  const [object, ...others] = await store.inspect(match, types);
  t.same(others, []);
  t.same(object!.get(pkcs11.CKA_ID), Buffer.of(7));
  t.equal(object!.get(pkcs11.CKA_VALUE_LEN)!.readUInt32LE(0), 32);
  t.notOk(object!.has(pkcs11.CKA_MODULUS));
  t.notOk(object!.has(pkcs11.CKA_VALUE), 'the value of a key is never read');
  t.same(await store.inspect([[pkcs11.CKA_LABEL, '00']], types), []);
});

void t.test('every worker sees an object, including the one that writes', async (t) => {
  const { token, aes } = prepare(t);
  const { store, events } = await connectTo(t, token, { workers: 2 });
  await until(() => pids(events).length === 2);
  await newKey(store);
  const id = randomBytes(5);
  aes(id);
  // The writer writes before it has searched, and then does not see the objects above.
  await newKey(store);
  const match = [[pkcs11.CKA_ID, id.toString('hex')]] as const;
  t.equal((await store.inspect(match, [pkcs11.CKA_CLASS])).length, 1);
  await store.refreshObject(id);
  await Promise.all(Array.from({ length: 2_000 }, () => encrypts(store, id)));
  await newKey(store);
  await Promise.all(Array.from({ length: 2_000 }, () => encrypts(store, id)));
});

void t.test('an object that cannot be copied works, and the others keep their copies', async (t) => {
  const { token, aes } = prepare(t);
  const { store } = await connectTo(t, token);
  const [fixed, closed] = [randomBytes(5), randomBytes(6)];
  aes(fixed, { modifiable: false });
  aes(closed, { copyable: false });
  const own = await newKey(store);
  for (const id of [fixed, closed, own, fixed, closed]) await encrypts(store, id);
  t.equal((await encrypts(store, own)).iv.length, 12);
});

void t.test('a certificate that shares the CKA_ID of a destroyed key stays', async (t) => {
  const { token, session, find, aes } = prepare(t);
  const { store } = await connectTo(t, token);
  const id = randomBytes(20);
  aes(id);
  const empty = Buffer.from('3000', 'hex');
  session.create({
    ...{ class: ObjectClass.CERTIFICATE, certType: CertificateType.X_509, token: true },
    ...{ id, subject: empty, value: empty },
  });
  await encrypts(store, id);
  await store.destroy(id);
  t.equal(find(id).length, 1);
  await t.rejects(encrypts(store, id), { code: 'no-such-object' });
});
