// Imported material in the token: objects that cannot leave it and have no more usages than needed.
import { randomBytes } from 'node:crypto';
import { KeyGenMechanism, ObjectClass, type SessionObject } from 'graphene-pk11';
import pkcs11 from 'pkcs11js';
import t from 'tap';
import { importTarget, wrappingKeyTemplate, wrappingOf } from '../../daemon/keys/import/wrapping.js';
import { keySpecs } from '../../daemon/keys/specs/table.js';
import type { AlgorithmSpec, KeySpec, KeyUsageType } from '../../proto/generated/messages.js';
import { newMaterial, wrap } from '../support/wrapping.js';
import { connectTo, makeToken, newKey, openSession } from './token.js';

const usages = [
  pkcs11.CKA_ENCRYPT,
  pkcs11.CKA_DECRYPT,
  pkcs11.CKA_SIGN,
  pkcs11.CKA_SIGN_RECOVER,
  pkcs11.CKA_VERIFY,
  pkcs11.CKA_VERIFY_RECOVER,
  pkcs11.CKA_WRAP,
  pkcs11.CKA_UNWRAP,
  pkcs11.CKA_DERIVE,
];
const algorithms = ['RSA_AES_KEY_WRAP_SHA_1', 'RSA_AES_KEY_WRAP_SHA_256'] as const;

void t.test('objects of imported material', async (t) => {
  const token = makeToken(t);
  const { store } = await connectTo(t, token);
  const made: { name: string; spec: KeySpec; usage: KeyUsageType; id: Buffer }[] = [];
  const record = (keySpec: KeySpec, keyUsage: KeyUsageType) =>
    ({ keySpec, keyUsage }) as Parameters<typeof wrappingKeyTemplate>[0];
  const pairs = new Map<AlgorithmSpec, { id: Buffer; publicKey: Buffer }>();
  for (const algorithm of algorithms) {
    const template = wrappingKeyTemplate(record('RSA_2048', 'SIGN_VERIFY'), algorithm, 'RSA_2048');
    const id = await newKey(store, template);
    pairs.set(algorithm, { id, publicKey: await store.publicKey(id) });
  }
  for (const [spec, entry] of Object.entries(keySpecs) as [KeySpec, (typeof keySpecs)[KeySpec]][]) {
    // SoftHSM 2.6.1 has no ML-KEM.
    if (entry.unsupported !== undefined || entry.usages.ENCAPSULATE_DECAPSULATE) continue;
    const material = newMaterial(spec);
    for (const usage of Object.keys(entry.usages) as KeyUsageType[]) {
      const target = importTarget(record(spec, usage));
      const checkValues: Buffer[] = [];
      for (const algorithm of algorithms) {
        const { id: wrappingKey, publicKey } = pairs.get(algorithm)!;
        const id = randomBytes(16);
        const wrapped = wrap(algorithm, publicKey, material);
        const { checkValue, leftHsm } = await store.importWrapped(
          wrappingKey,
          wrappingOf(algorithm),
          wrapped,
          id,
          'imported',
          target,
        );
        checkValues.push(checkValue);
        t.equal(
          leftHsm,
          algorithm === 'RSA_AES_KEY_WRAP_SHA_256' || spec === 'ECC_NIST_EDWARDS25519',
          `${spec} ${algorithm}`,
        );
        made.push({ name: `${spec} ${usage} by ${algorithm}`, spec, usage, id });
      }
      const id = randomBytes(16);
      const inTheClear = await store.importPlaintext(material, id, 'imported', target);
      t.equal(inTheClear.leftHsm, true);
      made.push({ name: `${spec} ${usage} in the clear`, spec, usage, id });
      for (const checkValue of checkValues)
        t.same(checkValue, inTheClear.checkValue, 'the check value is the same for every wrapping');
      t.ok(inTheClear.checkValue.length >= 28);
      t.notOk(inTheClear.checkValue.includes(material.subarray(0, 8)));
    }
  }

  const { session, find } = openSession(t, token);
  const is = (object: SessionObject, type: number) => {
    try {
      return object.getAttribute(type)[0] === 1;
    } catch (error) {
      if ((error as { code?: number }).code !== pkcs11.CKR_ATTRIBUTE_TYPE_INVALID) throw error;
      return false;
    }
  };
  const wrapping = session.generateKey(KeyGenMechanism.AES, { token: false, valueLen: 32, wrap: true });
  for (const { name, spec, usage, id } of made) {
    const { template } = keySpecs[spec].usages[usage]!;
    await t.test(`${name}: not extractable, with the usages of a generated key`, (t) => {
      const objects = find(id);
      t.equal(objects.length, template.publicAttributes ? 2 : 1);
      for (const object of objects) {
        const isPublic = object.class === ObjectClass.PUBLIC_KEY;
        const wanted = new Map(isPublic ? template.publicAttributes : template.attributes);
        for (const each of usages)
          t.equal(is(object, each), wanted.get(each) ?? false, `usage 0x${each.toString(16)}`);
        t.equal(is(object, pkcs11.CKA_TOKEN), true);
        t.equal(is(object, pkcs11.CKA_LOCAL), false, 'it is not marked as generated in the token');
        t.equal(is(object, pkcs11.CKA_PRIVATE), !isPublic);
        if (isPublic) continue;
        t.equal(is(object, pkcs11.CKA_SENSITIVE), true);
        t.equal(is(object, pkcs11.CKA_EXTRACTABLE), false);
        t.equal(is(object, pkcs11.CKA_NEVER_EXTRACTABLE), false);
        const secret = spec.startsWith('RSA') ? pkcs11.CKA_PRIVATE_EXPONENT : pkcs11.CKA_VALUE;
        t.throws(() => object.getAttribute(secret), { code: pkcs11.CKR_ATTRIBUTE_SENSITIVE });
        const mechanism = { name: 0x210a, params: null };
        t.throws(() => session.wrapKey(mechanism, wrapping, object.toType()), {
          code: pkcs11.CKR_KEY_UNEXTRACTABLE,
        });
      }
      t.end();
    });
  }

  await t.test('wrapping keys unwrap, and decrypt only if SoftHSM cannot unwrap', (t) => {
    for (const [algorithm, { id }] of pairs) {
      const key = find(id).find((each) => each.class === ObjectClass.PRIVATE_KEY)!;
      const allowed = usages.filter((usage) => is(key, usage));
      const [decrypt, unwrap] = [pkcs11.CKA_DECRYPT, pkcs11.CKA_UNWRAP];
      t.same(allowed, algorithm.endsWith('SHA_1') ? [unwrap] : [decrypt, unwrap]);
      t.equal(is(key, pkcs11.CKA_SENSITIVE), true);
      t.equal(is(key, pkcs11.CKA_EXTRACTABLE), false);
    }
    t.end();
  });
});
