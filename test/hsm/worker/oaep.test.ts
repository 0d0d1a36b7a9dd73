// Removing the padding of RSAES-OAEP, compared with Node's crypto.
import {
  constants,
  createHash,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { unpadOaep } from '../../../daemon/hsm/worker/ciphers/oaep.js';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const raw = (ciphertext: Buffer) =>
  privateDecrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, ciphertext);

/** EME-OAEP encoding (RFC 8017, section 7.1.1, step 2) of any DB, valid or not. */
function encode(first: number, db: Buffer, seed: Buffer): Buffer {
  const mask = (from: Buffer, length: number) => {
    const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, index) => {
      const counter = Buffer.alloc(4);
      counter.writeUInt32BE(index);
      return createHash('sha256').update(from).update(counter).digest();
    });
    return Buffer.concat(blocks).subarray(0, length);
  };
  const xor = (a: Buffer, b: Buffer) => Buffer.from(a.map((byte, index) => byte ^ b[index]!));
  const maskedDb = xor(db, mask(seed, db.length));
  return Buffer.concat([Buffer.of(first), xor(seed, mask(maskedDb, 32)), maskedDb]);
}

const labelHash = createHash('sha256').digest();

void t.test('padding made by Node is removed from messages of any length', (t) => {
  for (let length = 0; length <= 190; length++) {
    const message = randomBytes(length);
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const encoded = raw(publicEncrypt({ key: publicKey, padding, oaepHash: 'sha256' }, message));
    if (unpadOaep(encoded, 'sha256')?.equals(message) !== true) t.fail(`${length} bytes`);
    if (!encoded.equals(Buffer.alloc(256))) t.fail('the encoded message was not wiped');
  }
  t.end();
});

void t.test('every fault is refused in the same way', (t) => {
  const db = (...parts: Buffer[]) => {
    const whole = Buffer.concat(parts);
    return Buffer.concat([whole, Buffer.alloc(223 - whole.length)]);
  };
  const seed = randomBytes(32);
  const zeros = Buffer.alloc(10);
  const one = Buffer.of(1);
  const right = db(labelHash, zeros, one, Buffer.from('message'));
  t.ok(unpadOaep(encode(0, right, seed), 'sha256'), 'a correct encoding is accepted');
  t.equal(
    unpadOaep(encode(0, Buffer.concat([labelHash, Buffer.alloc(190), one]), seed), 'sha256')?.length,
    0,
  );
  for (let first = 1; first < 256; first++)
    t.equal(unpadOaep(encode(first, right, seed), 'sha256'), undefined);
  for (let at = 0; at < 32; at++) {
    const wrong = Buffer.from(right);
    wrong[at]! ^= 1 << (at % 8);
    t.equal(unpadOaep(encode(0, wrong, seed), 'sha256'), undefined);
  }
  for (let byte = 2; byte < 256; byte++) {
    t.equal(unpadOaep(encode(0, db(labelHash, Buffer.of(byte), zeros, one), seed), 'sha256'), undefined);
    t.equal(unpadOaep(encode(0, db(labelHash, zeros, Buffer.of(byte)), seed), 'sha256'), undefined);
  }
  t.equal(
    unpadOaep(encode(0, db(labelHash), seed), 'sha256'),
    undefined,
    'an encoding without a separator is refused',
  );
  const other = createHash('sha256').update('label').digest();
  t.equal(
    unpadOaep(encode(0, db(other, zeros, one), seed), 'sha256'),
    undefined,
    'an encoding with a label is refused',
  );
  t.equal(
    unpadOaep(Buffer.alloc(65), 'sha256'),
    undefined,
    'an encoding too short for any message is refused',
  );
  t.end();
});

void t.test('it agrees with OpenSSL on ciphertexts made from arbitrary encodings', (t) => {
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const theirs = (ciphertext: Buffer) => {
    try {
      return privateDecrypt({ key: privateKey, padding, oaepHash: 'sha256' }, ciphertext);
    } catch {
      return undefined;
    }
  };
  const bytes = fc.uint8Array({ minLength: 191, maxLength: 191 });
  fc.assert(
    fc.property(fc.constantFrom(0, 1), fc.constantFrom(0, 1, 40, 190), bytes, (first, run, tail) => {
      const rest = Buffer.from(tail).fill(0, 0, run);
      const encoded = encode(first, Buffer.concat([labelHash, rest]), randomBytes(32));
      const ciphertext = publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, encoded);
      const ours = unpadOaep(raw(ciphertext), 'sha256');
      const expected = theirs(ciphertext);
      return ours === undefined ? expected === undefined : expected?.equals(ours) === true;
    }),
    { numRuns: 300 },
  );
  t.end();
});
