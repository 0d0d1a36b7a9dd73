import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { KeyGenMechanism, ObjectClass } from 'graphene-pk11';
import pkcs11 from 'pkcs11js';
import t, { type Test } from 'tap';
import type { KeyStore, KeyTemplate } from '../../daemon/hsm/key-store.js';
import { keySpecs } from '../../daemon/keys/specs/table.js';
import { P_256, connectTo, makeToken, newKey, openSession } from './token.js';

const aad = Buffer.from('header and context');

const suites = {
  1: { iv: 12, ciphertext: (length: number) => length + 16 },
  2: { iv: 16, ciphertext: (length: number) => length + 16 - (length % 16) + 32 },
};

/** Tests of encryption for every suite. */
async function encryption(t: Test, store: KeyStore, suite: 1 | 2): Promise<void> {
  const lengths = suites[suite];
  const { template } = keySpecs.SYMMETRIC_DEFAULT.suites![suite];
  const key = { suite, id: await newKey(store, template) };

  await t.test('a ciphertext decrypts to its plaintext, whatever the lengths', async (t) => {
    for (const length of [0, 1, 15, 16, 64, 4096, 100_000])
      for (const context of [Buffer.alloc(0), aad, Buffer.alloc(10_000, 1)]) {
        const plaintext = randomBytes(length);
        const message = await store.encrypt(key, context, plaintext);
        t.equal(message.iv.length, lengths.iv);
        t.equal(message.ciphertext.length, lengths.ciphertext(length));
        t.ok((await store.decrypt(key, context, message)).equals(plaintext), `${length} bytes`);
      }
  });

  await t.test(
    'a changed or truncated ciphertext and a wrong context are refused with one error',
    async (t) => {
      const plaintext = randomBytes(24);
      const { iv, ciphertext } = await store.encrypt(key, aad, plaintext);
      const flipped = (buffer: Buffer, at: number): Buffer => {
        const copy = Buffer.from(buffer);
        copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8));
        return copy;
      };
      const wrong = [
        ...[...ciphertext.keys()].map((at) => ({ iv, ciphertext: flipped(ciphertext, at) })),
        ...[...iv.keys()].map((at) => ({ iv: flipped(iv, at), ciphertext })),
        ...[...ciphertext.keys()].map((length) => ({ iv, ciphertext: ciphertext.subarray(0, length) })),
        { iv: iv.subarray(1), ciphertext },
        { iv: Buffer.alloc(0), ciphertext },
      ];
      const answers = await Promise.allSettled(wrong.map((message) => store.decrypt(key, aad, message)));
      const refusal = {
        code: 'invalid-ciphertext',
        message: 'The ciphertext does not decrypt under this key and context.',
      };
      for (const answer of answers) t.match(answer, { status: 'rejected', reason: refusal });
      await t.rejects(store.decrypt(key, Buffer.from('other'), { iv, ciphertext }), refusal);
      await t.rejects(
        store.decrypt({ suite, id: await newKey(store, template) }, aad, { iv, ciphertext }),
        refusal,
      );
      t.ok(
        (await store.decrypt(key, aad, { iv, ciphertext })).equals(plaintext),
        'the unchanged ciphertext still decrypts',
      );
    },
  );

  await t.test('no two messages have the same IV', async (t) => {
    const messages = await Promise.all(
      Array.from({ length: 2000 }, () => store.encrypt(key, aad, Buffer.of(1))),
    );
    const ivs = new Set(messages.map(({ iv }) => iv.toString('hex')));
    t.equal(ivs.size, messages.length);
    t.notOk(ivs.has('0'.repeat(2 * lengths.iv)));
  });

  await t.test('a message is re-encrypted under another key', async (t) => {
    const other = { suite, id: await newKey(store, template) } as const;
    const first = await store.encrypt(key, aad, Buffer.from('secret'));
    const second = await store.reEncrypt(key, aad, first, other, Buffer.alloc(3));
    t.equal((await store.decrypt(other, Buffer.alloc(3), second)).toString(), 'secret');
    await t.rejects(store.reEncrypt(key, Buffer.alloc(1), first, other, aad), { code: 'invalid-ciphertext' });
  });

  await t.test('a data key’s ciphertext decrypts to its plaintext', async (t) => {
    const { plaintext, ...message } = await store.dataKey(key, aad, 32);
    t.equal(plaintext.length, 32);
    t.ok((await store.decrypt(key, aad, message)).equals(plaintext));
    const hidden = await store.dataKeyWithoutPlaintext(key, aad, 1024);
    t.notOk('plaintext' in hidden);
    t.equal((await store.decrypt(key, aad, hidden)).length, 1024);
  });
}

void t.test('the operations of one token', async (t) => {
  const token = makeToken(t);
  const { store } = await connectTo(t, token);
  for (const suite of [1, 2] as const) await t.test(`suite ${suite}`, (t) => encryption(t, store, suite));

  const id = await newKey(store);

  await t.test('random bytes have the requested length, from 1 to 1,024', async (t) => {
    for (const length of [1, 32, 1024]) t.equal((await store.random(length)).length, length);
    t.notOk((await store.random(32)).equals(await store.random(32)));
    for (const length of [0, 1025, -1, 1.5]) await t.rejects(store.random(length), { code: 'internal' });
  });

  await t.test('a signature verifies with the public key, in DER and as r‖s', async (t) => {
    const pair = await newKey(store, P_256);
    const publicKey = createPublicKey({ key: await store.publicKey(pair), format: 'der', type: 'spki' });
    t.equal(publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    const message = Buffer.from('message');
    const digest = await crypto.subtle.digest('SHA-256', message);
    const plain = { type: pkcs11.CKM_ECDSA };
    const signatures = await Promise.all(
      Array.from({ length: 200 }, () => store.sign(pair, plain, 'ecdsa-der-32', Buffer.from(digest))),
    );
    t.ok(
      signatures.every((signature) =>
        verify('sha256', message, { key: publicKey, dsaEncoding: 'der' }, signature),
      ),
    );
    const raw = await store.sign(pair, plain, 'none', Buffer.from(digest));
    t.equal(raw.length, 64);
    t.ok(verify('sha256', message, { key: publicKey, dsaEncoding: 'ieee-p1363' }, raw));
  });

  await t.test('a missing key is reported, and an invalid CKA_ID is never searched for', async (t) => {
    const missing = { suite: 1, id: randomBytes(16) } as const;
    await t.rejects(store.encrypt(missing, aad, aad), { code: 'no-such-object', message: /[0-9a-f]{32}/ });
    await t.rejects(store.publicKey(missing.id), { code: 'no-such-object' });
    await t.rejects(store.sign(missing.id, { type: pkcs11.CKM_ECDSA }, 'none', aad), {
      code: 'no-such-object',
    });
    await t.rejects(store.publicKey(id), { code: 'no-such-object' }, 'a secret key has no public key');
    t.equal(await store.exists(missing.id), false);
    for (const wrong of [Buffer.alloc(0), Buffer.alloc(65)]) {
      await t.rejects(store.encrypt({ suite: 1, id: wrong }, aad, aad), { code: 'internal' });
      await t.rejects(store.destroy(wrong), { code: 'internal' });
      await t.rejects(store.exists(wrong), { code: 'internal' });
    }
  });

  await t.test('a refusal by the module is reported as such, and the worker stays', async (t) => {
    await t.rejects(store.sign(id, { type: 0x7fffffff }, 'none', aad), { code: 'unsupported' });
    const template: KeyTemplate = { mechanism: 0x7fffffff, attributes: [] };
    await t.rejects(store.generate(randomBytes(16), 'x', template), { code: 'unsupported' });
    t.equal(store.state, 'connected');
  });
});

void t.test(
  'generated keys are sensitive and cannot leave the token, whatever their template says',
  async (t) => {
    const token = makeToken(t);
    const { store } = await connectTo(t, token);
    const wanting: KeyTemplate = {
      mechanism: pkcs11.CKM_AES_KEY_GEN,
      attributes: [
        [pkcs11.CKA_VALUE_LEN, 32],
        [pkcs11.CKA_ENCRYPT, true],
        [pkcs11.CKA_EXTRACTABLE, true],
        [pkcs11.CKA_SENSITIVE, false],
        [pkcs11.CKA_PRIVATE, false],
        [pkcs11.CKA_TOKEN, false],
        [pkcs11.CKA_LABEL, '00'],
      ],
    };
    const ids = [await newKey(store, wanting), await newKey(store, P_256)];
    // The copies are used now, so the originals are inspected.
    await store.encrypt({ suite: 1, id: ids[0]! }, aad, aad);
    const { session, find } = openSession(t, token);
    const wrapping = session.generateKey(KeyGenMechanism.AES, { valueLen: 32, wrap: true });
    for (const id of ids) {
      const objects = find(id);
      const secret = objects.filter((object) => object.class !== ObjectClass.PUBLIC_KEY);
      t.equal(secret.length, 1);
      for (const object of secret) {
        for (const type of [
          'TOKEN',
          'PRIVATE',
          'SENSITIVE',
          'ALWAYS_SENSITIVE',
          'NEVER_EXTRACTABLE',
          'LOCAL',
        ] as const)
          t.equal(object.getAttribute(pkcs11[`CKA_${type}`])[0], 1, `CKA_${type}`);
        t.equal(object.getAttribute('extractable'), false);
        t.equal(object.getAttribute('label'), `keyhold/${id.toString('hex')}`);
        t.throws(() => object.getAttribute(pkcs11.CKA_VALUE), { message: 'CKR_ATTRIBUTE_SENSITIVE' });
        for (const name of [pkcs11.CKM_AES_KEY_WRAP, pkcs11.CKM_AES_KEY_WRAP_PAD])
          t.throws(() => session.wrapKey({ name, params: null }, wrapping, object.toType()), {
            message: 'CKR_KEY_UNEXTRACTABLE',
          });
      }
      for (const object of objects.filter((one) => !secret.includes(one))) {
        t.equal(object.getAttribute('token'), true);
        t.equal(object.getAttribute('private'), false);
      }
    }
  },
);

void t.test('a session copy is as protected as its original, and few are kept at a time', async (t) => {
  const token = makeToken(t);
  const { store } = await connectTo(t, token, { sessionCopies: 2 });
  const keys = await Promise.all(Array.from({ length: 5 }, () => newKey(store)));
  for (let round = 0; round < 3; round++)
    for (const id of keys) {
      const message = await store.encrypt({ suite: 1, id }, aad, Buffer.from('x'));
      t.equal((await store.decrypt({ suite: 1, id }, aad, message)).toString(), 'x');
    }
  const { find } = openSession(t, token);
  const copy = find(keys[0]!)[0]!.copy({ token: false });
  t.throws(() => copy.getAttribute(pkcs11.CKA_VALUE), {
    message: 'CKR_ATTRIBUTE_SENSITIVE',
  });
});

void t.test('without session copies the token’s own objects are used', async (t) => {
  const token = makeToken(t);
  const { store } = await connectTo(t, token, { sessionCopies: 0 });
  const key = { suite: 1, id: await newKey(store) } as const;
  const message = await store.encrypt(key, aad, Buffer.from('x'));
  t.equal((await store.decrypt(key, aad, message)).toString(), 'x');
});
