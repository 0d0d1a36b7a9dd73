import t from 'tap';
import { checkMechanisms, lackingFor, mechanismsOf } from '../../../daemon/keys/specs/mechanisms.js';
import { keySpecs } from '../../../daemon/keys/specs/table.js';
import { connectTo, makeToken } from '../../hsm/token.js';

void t.test('SoftHSM2 has all mechanisms that the available key specs need', async (t) => {
  const { store } = await connectTo(t, makeToken(t));
  for (const [spec, { usages, unsupported }] of Object.entries(keySpecs)) {
    for (const [usage, entry] of Object.entries(usages)) {
      const lacking = lackingFor(entry, store);
      if (unsupported === undefined && entry.encapsulation === undefined)
        t.same(lacking, [], `${spec} ${usage}`);
      else t.not(lacking.length, 0, `${spec} ${usage}`);
    }
  }
  t.end();
});

void t.test('mechanisms that a module lacks are refused by name', async (t) => {
  const { store } = await connectTo(t, makeToken(t));
  const rsa = keySpecs.RSA_4096.usages.ENCRYPT_DECRYPT!;
  t.same(mechanismsOf(rsa, store), [0x0, 0x9, 0x3]);
  const mechanisms = new Map(store.mechanisms);
  mechanisms.delete(0x9);
  mechanisms.set(0x0, { minKeySize: 1024, maxKeySize: 3072 });
  const poorer = { objects: [], mechanisms, traits: store.traits };
  t.same(lackingFor(rsa, poorer), ['CKM_RSA_PKCS_OAEP', 'CKM_RSA_PKCS_KEY_PAIR_GEN for 4096 bits']);
  t.same(lackingFor(keySpecs.RSA_3072.usages.SIGN_VERIFY!, poorer), []);
  const refused = { code: 'unsupported-operation', message: /lacks .*ML_DSA_KEY_PAIR_GEN/ };
  t.throws(() => checkMechanisms(store, 'ML_DSA_44', 'SIGN_VERIFY'), refused);
  const kem = keySpecs.ML_KEM_768.usages.ENCAPSULATE_DECAPSULATE!;
  t.same(lackingFor(kem, poorer), ['CKM_ML_KEM_KEY_PAIR_GEN', 'CKM_ML_KEM']);
  for (const type of [0xf, 0x17]) mechanisms.set(type, { minKeySize: 0, maxKeySize: 0 });
  t.match(lackingFor(kem, poorer), [/^C_EncapsulateKey and C_DecapsulateKey .* its profile$/]);
  t.same(lackingFor(kem, { ...poorer, traits: { ...store.traits, encapsulates: true } }), []);
});
