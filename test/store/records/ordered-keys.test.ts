import * as fc from 'fast-check';
import t from 'tap';
import { OrderedKeys } from '../../../daemon/store/records/ordered-keys.js';

const name = (number: number) => `k${String(number).padStart(5, '0')}`;

void t.test('keys stay in order and are counted, whatever is added and removed', (t) => {
  const range = fc.tuple(
    fc.integer({ min: 0, max: 5_000 }),
    fc.integer({ min: 1, max: 2_500 }),
    fc.boolean(),
  );
  const seed = fc.integer({ min: 0, max: 5_000 });
  fc.assert(
    fc.property(seed, fc.array(range, { maxLength: 10 }), fc.boolean(), (seed, ranges, isFalling) => {
      const model = new Set(Array.from({ length: seed }, (_, index) => name(index * 2)));
      const keys = OrderedKeys.from([...model]);
      for (const [start, length, isAdded] of ranges) {
        const numbers = Array.from({ length }, (_, index) => start + index);
        for (const number of isFalling ? numbers.reverse() : numbers) {
          if (isAdded) keys.add(name(number));
          else keys.delete(name(number));
          if (isAdded) model.add(name(number));
          else model.delete(name(number));
        }
      }
      const expected = [...model].sort();
      const from = name(seed);
      t.strictSame([...keys.from('')], expected);
      t.strictSame(
        [...keys.from(from)],
        expected.filter((key) => key >= from),
      );
      t.equal(keys.countBelow(from), expected.filter((key) => key < from).length);
      t.equal(keys.countBelow('z'), expected.length);
      t.equal(keys.isEmpty, expected.length === 0);
    }),
    { numRuns: 50 },
  );
  t.end();
});
