import fc from 'fast-check';
import t from 'tap';
import { conversions } from '../../../daemon/hsm/worker/conversions.js';

const halves = fc
  .tuple(fc.integer({ min: 0, max: 31 }), fc.uint8Array({ minLength: 32, maxLength: 32 }))
  .map(([zeros, half]) => Buffer.from(half).fill(0, 0, zeros))
  .filter((half) => half.some((byte) => byte !== 0));

/** Reads a DER INTEGER of less than 128 bytes, strictly. */
function readInteger(der: Buffer): { value: bigint; rest: Buffer } {
  const [tag, length = 0] = der;
  const content = der.subarray(2, 2 + length);
  const [first = 0, second = 0x80] = content;
  if (tag !== 2 || length === 0 || content.length !== length) throw new Error('no INTEGER');
  if (first >= 0x80) throw new Error('negative');
  if (first === 0 && second < 0x80 && length > 1) throw new Error('not the shortest form');
  return { value: BigInt(`0x${content.toString('hex')}`), rest: der.subarray(2 + length) };
}

void t.test('r‖s of any value is converted to DER of the same numbers in their shortest form', (t) => {
  fc.assert(
    fc.property(halves, halves, (r, s) => {
      const der = conversions['ecdsa-der-32'].toApi(Buffer.concat([r, s]));
      const [tag, length] = der;
      const first = readInteger(der.subarray(2));
      const second = readInteger(first.rest);
      return (
        tag === 0x30 &&
        length === der.length - 2 &&
        second.rest.length === 0 &&
        first.value === BigInt(`0x${r.toString('hex')}`) &&
        second.value === BigInt(`0x${s.toString('hex')}`)
      );
    }),
    { numRuns: 2000 },
  );
  t.end();
});

void t.test('a signature with r or s = 0 is refused in either form', (t) => {
  const { toApi, fromApi } = conversions['ecdsa-der-32'];
  const [zero, one] = [Buffer.alloc(32), Buffer.alloc(32, 1)];
  for (const halves of [
    [zero, one],
    [one, zero],
    [zero, zero],
  ])
    t.throws(() => toApi(Buffer.concat(halves)), { code: 'internal' });
  for (const hex of ['3006020100020101', '3006020101020100', '30050200020101', '300402000200'])
    t.equal(fromApi(Buffer.from(hex, 'hex')), undefined);
  t.end();
});

void t.test('DER is converted back to r‖s, and other bytes are refused', (t) => {
  const { toApi, fromApi } = conversions['ecdsa-der-32'];
  fc.assert(
    fc.property(halves, halves, fc.nat(), fc.integer({ min: 1, max: 255 }), (r, s, place, change) => {
      const raw = Buffer.concat([r, s]);
      const der = toApi(raw);
      const changed = Buffer.from(der);
      changed[place % der.length]! ^= change;
      const other = fromApi(changed);
      return (
        fromApi(der)?.equals(raw) === true &&
        (other === undefined || (!other.equals(raw) && toApi(other).equals(changed))) &&
        fromApi(Buffer.concat([der, Buffer.of(0)])) === undefined &&
        fromApi(der.subarray(0, -1)) === undefined
      );
    }),
    { numRuns: 2000 },
  );
  t.end();
});

void t.test('arbitrary bytes are converted or refused, and never cause an exception', (t) => {
  const { toApi, fromApi } = conversions['ecdsa-der-66'];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const der = Buffer.from(bytes);
      const raw = fromApi(der);
      return raw === undefined || toApi(raw).equals(der);
    }),
    { numRuns: 5000 },
  );
  for (const hex of [
    '30',
    '3080',
    '0600',
    '0601ff',
    '3003060180',
    '3000',
    '3003020101',
    '30060201010201ff',
    '3009020101020101020101',
  ])
    t.equal(fromApi(Buffer.from(hex, 'hex')), undefined, hex);
  t.equal(fromApi(Buffer.alloc(100_000, 0x30)), undefined);
  t.end();
});
