import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KeyType, ObjectClass } from 'graphene-pk11';
import t from 'tap';
import { decodeBlob } from '../../proto/formats/ciphertext.js';
import { keySpecs } from '../../daemon/keys/specs/table.js';
import { checkout } from '../support/paths.js';
import { connectTo, makeToken, newKey, openSession } from './token.js';

interface Vector {
  comment: string;
  suite: number;
  key: string;
  macKey: string;
  aad: string;
  plaintext: string;
  blob: string;
}

const { template } = keySpecs.SYMMETRIC_DEFAULT.suites![2];

void t.test('the HSM decrypts the committed vectors, whichever of the two keys is found first', async (t) => {
  const token = makeToken(t);
  const { session } = openSession(t, token);
  const common = { class: ObjectClass.SECRET_KEY, token: true };
  const text = readFileSync(join(checkout, 'proto/formats/vectors/ciphertext-blob.json'), 'utf8');
  const vectors = (JSON.parse(text) as Vector[]).filter(({ suite }) => suite === 2);
  t.ok(vectors.length >= 4);
  const made = vectors.map((vector, n) => {
    const id = randomBytes(16);
    const [key, macKey] = [Buffer.from(vector.key, 'hex'), Buffer.from(vector.macKey, 'hex')];
    const aes = () =>
      session.create({ ...common, keyType: KeyType.AES, id, value: key, encrypt: true, decrypt: true });
    const mac = () =>
      session.create({
        ...{ ...common, keyType: KeyType.GENERIC_SECRET, id, value: macKey },
        ...{ sign: true, verify: true },
      });
    for (const make of n % 2 === 0 ? [aes, mac] : [mac, aes]) make();
    return { vector, id };
  });
  for (const sessionCopies of [0, 1, 100]) {
    const { store } = await connectTo(t, token, { sessionCopies });
    for (const { vector, id } of made) {
      const { iv, ciphertext } = decodeBlob(Buffer.from(vector.blob, 'hex'))!;
      const opened = await store.decrypt({ suite: 2, id }, Buffer.from(vector.aad, 'hex'), {
        iv,
        ciphertext,
      });
      t.equal(opened.toString('hex'), vector.plaintext, `${vector.comment}, ${sessionCopies} copies`);
    }
  }
});

void t.test('both keys are created in the HSM, kept there, and destroyed', async (t) => {
  const token = makeToken(t);
  const { store } = await connectTo(t, token);
  const id = await newKey(store, template);
  const other = { suite: 2, id: await newKey(store, template) } as const;
  const { find } = openSession(t, token);
  const objects = find(id);
  t.equal(objects.length, 2);
  for (const object of objects) {
    t.same(object.getAttribute({ sensitive: null, extractable: null, private: null }), {
      sensitive: true,
      extractable: false,
      private: true,
    });
  }
  const made = await store.encrypt({ suite: 2, id }, Buffer.alloc(0), Buffer.from('x'));
  await store.destroy(id);
  t.same(find(id), []);
  await t.rejects(store.decrypt({ suite: 2, id }, Buffer.alloc(0), made), { code: 'no-such-object' });
  t.ok(await store.encrypt(other, Buffer.alloc(0), Buffer.from('x')));
});

void t.test('a material of one suite cannot be used with the other', async (t) => {
  const { store } = await connectTo(t, makeToken(t));
  const id = await newKey(store);
  const aad = Buffer.alloc(0);
  await t.rejects(
    store.encrypt({ suite: 2, id }, aad, aad),
    { code: 'no-such-object' },
    'a material without an HMAC key is not used with suite 2',
  );
});
