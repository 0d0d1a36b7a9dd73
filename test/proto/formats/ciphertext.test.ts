import { createDecipheriv, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import { blobHeader, decodeBlob, encodeBlob } from '../../../proto/formats/ciphertext.js';
import { canonicalContext } from '../../../proto/formats/encryption-context.js';
import { checkout } from '../../support/paths.js';

interface Vector {
  comment: string;
  key: string;
  /** With suite 2. */
  macKey?: string;
  suite: 1 | 2;
  keyId: string;
  materialId: string;
  context: Record<string, string>;
  iv: string;
  plaintext: string;
  aad: string;
  blob: string;
}

/** Decrypts a blob as an independent program would. */
const openings = {
  1: ({ key }: Vector, aad: Buffer, iv: Buffer, ciphertext: Buffer) => {
    const decipher = createDecipheriv('aes-256-gcm', Buffer.from(key, 'hex'), iv);
    decipher.setAAD(aad).setAuthTag(ciphertext.subarray(-16));
    return Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()]);
  },
  2: ({ key, macKey = '' }: Vector, aad: Buffer, iv: Buffer, ciphertext: Buffer) => {
    const encrypted = ciphertext.subarray(0, -32);
    const bits = Buffer.alloc(8);
    bits.writeBigUInt64BE(BigInt(8 * aad.length));
    const mac = createHmac('sha256', Buffer.from(macKey, 'hex'));
    for (const part of [aad, iv, encrypted, bits]) mac.update(part);
    if (!mac.digest().equals(ciphertext.subarray(-32))) throw new Error('The tag is wrong');
    const decipher = createDecipheriv('aes-256-cbc', Buffer.from(key, 'hex'), iv);
    return Buffer.concat([decipher.update(encrypted), decipher.final()]);
  },
};

void t.test('blobs equal the committed vectors, and decrypt with their keys', (t) => {
  const text = readFileSync(join(checkout, 'proto/formats/vectors/ciphertext-blob.json'), 'utf8');
  for (const vector of JSON.parse(text) as Vector[]) {
    const blob = Buffer.from(vector.blob, 'hex');
    const decoded = decodeBlob(blob)!;
    t.match(
      decoded,
      { suite: vector.suite, keyId: vector.keyId, materialId: vector.materialId },
      vector.comment,
    );
    const header = blobHeader(vector.suite, vector.keyId, vector.materialId);
    t.same(decoded.header, header);
    const aad = Buffer.concat([header, canonicalContext(vector.context)]);
    t.equal(aad.toString('hex'), vector.aad);
    t.same(encodeBlob(decoded.header, decoded.iv, decoded.ciphertext), blob);
    t.equal(
      openings[vector.suite](vector, aad, decoded.iv, decoded.ciphertext).toString('hex'),
      vector.plaintext,
    );
  }
  t.end();
});

void t.test('arbitrary bytes are refused, or decode to a blob that encodes to the same bytes', (t) => {
  const nearlyBlob = fc
    .tuple(fc.constantFrom(1, 2), fc.constantFrom(1, 2), fc.nat(40), fc.uint8Array({ maxLength: 120 }))
    .map(([version, suite, length, rest]) => Buffer.concat([Buffer.from([version, suite, length]), rest]));
  fc.assert(
    fc.property(fc.oneof(nearlyBlob, fc.uint8Array({ maxLength: 150 })), (bytes) => {
      const blob = decodeBlob(Buffer.from(bytes));
      if (blob === undefined) return true;
      const again = encodeBlob(blobHeader(blob.suite, blob.keyId, blob.materialId), blob.iv, blob.ciphertext);
      return again.equals(bytes);
    }),
    { numRuns: 2_000 },
  );
  t.end();
});

void t.test('a truncated blob is refused unless its tag is complete', (t) => {
  const header = blobHeader(1, 'k'.repeat(36), 'ab'.repeat(32));
  const blob = encodeBlob(header, Buffer.alloc(12), Buffer.alloc(17));
  for (let length = 0; length < blob.length - 1; length++) {
    if (decodeBlob(blob.subarray(0, length))) t.fail(`${length} bytes are accepted as a blob`);
  }
  t.ok(decodeBlob(blob.subarray(0, blob.length - 1)), 'the ciphertext of an empty plaintext is a blob');
  const blocks = encodeBlob(
    blobHeader(2, 'k'.repeat(36), 'ab'.repeat(32)),
    Buffer.alloc(16),
    Buffer.alloc(64),
  );
  for (let length = 0; length < blocks.length; length++) {
    const isWhole = length === blocks.length - 16;
    if ((decodeBlob(blocks.subarray(0, length)) !== undefined) !== isWhole)
      t.fail(`${length} bytes of suite 2 are wrongly accepted or refused`);
  }
  t.ok(decodeBlob(blocks));
  t.notOk(decodeBlob(Buffer.from(blob).fill(0, 2, 3)), 'a blob without a key ID is refused');
  t.notOk(decodeBlob(Buffer.from(blob).fill(0x80, 5, 6)), 'a key ID that is not ASCII is refused');
  t.end();
});
