import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { SealError } from '../../../proto/formats/seal-error.js';
import { decodeHeader, encodeHeader } from '../../../proto/formats/sealed-file.js';

function header(fields = {}) {
  const encryptedDataKey = Buffer.from('blob');
  return { frameSize: 65536, salt: randomBytes(32), encryptionContext: {}, encryptedDataKey, ...fields };
}

void t.test('every accepted header is encoded to the same bytes again', (t) => {
  const start = encodeHeader(header({ encryptionContext: { a: '1', ab: '2', b: '' } }));
  const edit = fc.record({ at: fc.nat({ max: start.length - 1 }), byte: fc.nat({ max: 255 }) });
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 3 }), (edits) => {
      const bytes = Buffer.from(start);
      for (const { at, byte } of edits) bytes.writeUInt8(byte, at);
      let decoded;
      try {
        decoded = decodeHeader(bytes);
      } catch (error) {
        return error instanceof SealError;
      }
      accepted++;
      return encodeHeader(decoded).equals(bytes);
    }),
    { numRuns: 5000 },
  );
  t.ok(accepted > 100, `${accepted} of the changed headers were accepted`);
  t.end();
});

void t.test('random bytes after a valid beginning are refused, or read to their end', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 40, maxLength: 300 }), (tail) => {
      const bytes = Buffer.concat([encodeHeader(header()).subarray(0, 11), Buffer.alloc(2), tail]);
      bytes.writeUInt16BE(bytes.length, 11);
      try {
        return encodeHeader(decodeHeader(bytes)).equals(bytes);
      } catch (error) {
        return error instanceof SealError;
      }
    }),
    { numRuns: 5000 },
  );
  t.pass();
  t.end();
});

void t.test('a header that is truncated, or longer than its stated length, is refused', (t) => {
  const bytes = encodeHeader(header({ encryptionContext: { project: 'x' } }));
  for (let length = 0; length < bytes.length; length++)
    t.throws(
      () => decodeHeader(bytes.subarray(0, length)),
      SealError,
      `a header truncated to ${length} bytes is refused`,
    );
  t.throws(() => decodeHeader(Buffer.concat([bytes, Buffer.alloc(1)])), { code: 'InvalidSealedFile' });
  t.end();
});

void t.test('the limits of frame size and encrypted data key apply to reading and writing', (t) => {
  for (const frameSize of [1024, 2048, 1048576])
    t.equal(decodeHeader(encodeHeader(header({ frameSize }))).frameSize, frameSize);
  for (const frameSize of [0, -1024, 512, 1000, 1025, 2097152, NaN])
    t.throws(() => encodeHeader(header({ frameSize })), { code: 'UnusableInput' });
  for (const length of [1, 6144])
    t.ok(decodeHeader(encodeHeader(header({ encryptedDataKey: Buffer.alloc(length) }))));
  for (const length of [0, 6145])
    t.throws(() => encodeHeader(header({ encryptedDataKey: Buffer.alloc(length) })), {
      code: 'UnusableInput',
    });
  t.end();
});

void t.test('a context is encoded in one order, whatever the order of its pairs', (t) => {
  const salt = randomBytes(32);
  const one = encodeHeader(header({ salt, encryptionContext: { '\u{1f511}': '1', '\uff5e': '2', a: '3' } }));
  const two = encodeHeader(header({ salt, encryptionContext: { a: '3', '\uff5e': '2', '\u{1f511}': '1' } }));
  t.strictSame(one, two);
  t.strictSame(Object.keys(decodeHeader(one).encryptionContext), ['a', '\uff5e', '\u{1f511}']);
  t.end();
});
