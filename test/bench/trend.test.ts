import { test } from 'tap';
import { growth } from '../../scripts/bench/report/trend.js';

void test('growth is that of a line fitted to the values', (t) => {
  t.equal(growth([5, 5, 5, 5]), 0);
  t.equal(growth([0, 1, 2, 3]), 3);
  t.equal(growth([3, 2, 1, 0]), -3);
  t.equal(growth([7]), 0);
  // One high value in the middle is no growth.
  t.ok(Math.abs(growth([1, 1, 9, 1, 1])) < 1e-9);
  t.ok(growth([10, 12, 11, 13, 12, 14]) > 3);
  t.end();
});
