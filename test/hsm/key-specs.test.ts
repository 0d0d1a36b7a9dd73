// The token's objects for keys of every spec and usage: they cannot leave it and have no more usages than needed.
import { type Key, KeyGenMechanism, type SessionObject } from 'graphene-pk11';
import pkcs11 from 'pkcs11js';
import t from 'tap';
import { keySpecs, internalKeys } from '../../daemon/keys/specs/table.js';
import type { KeyTemplate } from '../../daemon/hsm/key-store.js';
import { connectTo, makeToken, newKey, openSession } from './token.js';

const usages = {
  ENCRYPT: pkcs11.CKA_ENCRYPT,
  DECRYPT: pkcs11.CKA_DECRYPT,
  SIGN: pkcs11.CKA_SIGN,
  SIGN_RECOVER: pkcs11.CKA_SIGN_RECOVER,
  VERIFY: pkcs11.CKA_VERIFY,
  VERIFY_RECOVER: pkcs11.CKA_VERIFY_RECOVER,
  WRAP: pkcs11.CKA_WRAP,
  UNWRAP: pkcs11.CKA_UNWRAP,
  DERIVE: pkcs11.CKA_DERIVE,
};

/** Allowed usages of the objects of a key, by key usage: of the secret or private key, and of the public key. */
const needed: Record<string, { secret: string[]; private: string[]; public: string[] }> = {
  ENCRYPT_DECRYPT: { secret: ['ENCRYPT', 'DECRYPT'], private: ['DECRYPT'], public: ['ENCRYPT'] },
  SIGN_VERIFY: { secret: [], private: ['SIGN'], public: ['VERIFY'] },
  GENERATE_VERIFY_MAC: { secret: ['SIGN', 'VERIFY'], private: [], public: [] },
  KEY_AGREEMENT: { secret: [], private: ['DERIVE'], public: [] },
};

const secretAttributes: Record<number, number[]> = {
  [pkcs11.CKK_AES]: [pkcs11.CKA_VALUE],
  [pkcs11.CKK_GENERIC_SECRET]: [pkcs11.CKA_VALUE],
  [pkcs11.CKK_EC]: [pkcs11.CKA_VALUE],
  0x40: [pkcs11.CKA_VALUE],
  [pkcs11.CKK_RSA]: [
    pkcs11.CKA_PRIVATE_EXPONENT,
    pkcs11.CKA_PRIME_1,
    pkcs11.CKA_PRIME_2,
    pkcs11.CKA_EXPONENT_1,
    pkcs11.CKA_EXPONENT_2,
    pkcs11.CKA_COEFFICIENT,
  ],
};

void t.test('objects', async (t) => {
  const token = makeToken(t);
  const { store } = await connectTo(t, token);
  const made: { name: string; usage: string; id: Buffer }[] = [];
  const make = async (name: string, usage: string, template: KeyTemplate) =>
    made.push({ name: `${name} ${usage}`, usage, id: await newKey(store, template) });
  for (const [spec, entry] of Object.entries(keySpecs)) {
    // SoftHSM 2.6.1 has no ML-KEM.
    if (entry.unsupported !== undefined || entry.usages.ENCAPSULATE_DECAPSULATE) continue;
    for (const [usage, { template }] of Object.entries(entry.usages)) await make(spec, usage, template);
  }
  t.equal(made.length, 19);
  await make('record-mac', 'GENERATE_VERIFY_MAC', internalKeys['record-mac']);
  await make('secrets', 'ENCRYPT_DECRYPT', internalKeys.secrets);
  await make('audit-signing', 'SIGN_VERIFY', internalKeys['audit-signing']);

  const { session, find } = openSession(t, token);
  const wrapping = session.generateKey(KeyGenMechanism.AES, { token: false, valueLen: 32, wrap: true });
  const is = (object: SessionObject, type: number) => {
    try {
      return object.getAttribute(type)[0] === 1;
    } catch (error) {
      // A secret key has no CKA_SIGN_RECOVER.
      if ((error as { code?: number }).code !== pkcs11.CKR_ATTRIBUTE_TYPE_INVALID) throw error;
      return false;
    }
  };

  for (const { name, usage, id } of made) {
    await t.test(`${name}: sensitive, private, not extractable, with only the usages needed`, (t) => {
      const objects = find(id);
      for (const object of objects) {
        const objectClass = object.class;
        const isPublic = objectClass === pkcs11.CKO_PUBLIC_KEY;
        const isSecret = objectClass === pkcs11.CKO_SECRET_KEY;
        t.equal(objects.length, isSecret ? 1 : 2);
        const allowed = Object.entries(usages)
          .filter(([, type]) => is(object, type))
          .map(([one]) => one);
        const kind = isPublic ? 'public' : isSecret ? 'secret' : 'private';
        t.strictSame(allowed.sort(), needed[usage]![kind].sort(), kind);
        t.equal(is(object, pkcs11.CKA_TOKEN), true);
        t.equal(is(object, pkcs11.CKA_LOCAL), true);
        t.equal(is(object, pkcs11.CKA_PRIVATE), !isPublic);
        if (isPublic) continue;
        t.equal(is(object, pkcs11.CKA_SENSITIVE), true);
        t.equal(is(object, pkcs11.CKA_ALWAYS_SENSITIVE), true);
        t.equal(is(object, pkcs11.CKA_EXTRACTABLE), false);
        t.equal(is(object, pkcs11.CKA_NEVER_EXTRACTABLE), true);
        const secrets = secretAttributes[object.toType<Key>().type]!;
        for (const attribute of secrets)
          t.throws(
            () => object.getAttribute(attribute),
            { code: pkcs11.CKR_ATTRIBUTE_SENSITIVE },
            `0x${attribute.toString(16)}`,
          );
        // 0x210A is SoftHSM’s AES key wrap with padding, which accepts keys of any kind.
        t.throws(() => session.wrapKey({ name: 0x210a, params: null }, wrapping, object.toType()), {
          code: pkcs11.CKR_KEY_UNEXTRACTABLE,
        });
      }
      t.end();
    });
  }

  await t.test('nothing of data key pairs and shared secrets stays in the token', async (t) => {
    const key = { suite: 1, id: made[0]!.id } as const;
    const before = store.objects.length;
    const pair = await store.dataKeyPair(key, Buffer.alloc(3), keySpecs.ECC_NIST_P256.dataKeyPair!);
    const agreeing = made.find(({ name }) => name === 'ECC_NIST_P256 KEY_AGREEMENT')!;
    t.equal((await store.deriveSharedSecret(agreeing.id, pair.publicKey.subarray(-65))).length, 32);
    const { store: again } = await connectTo(t, token);
    t.equal(
      again.objects.length - before,
      made.length * 2 - made.filter(({ id }) => find(id).length === 1).length,
    );
  });
});
