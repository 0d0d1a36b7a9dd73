import { test } from 'tap';
import { svgOf } from '../../scripts/bench/report/svg.js';

const chart = {
  title: 'a < b & c',
  xLabel: 'in flight',
  yLabel: 'op/s',
  series: [
    {
      name: 'one',
      points: [
        [1, 100],
        [8, 1_000],
      ] as const,
    },
    {
      name: 'two',
      points: [
        [1, 1_000],
        [8, 1_000],
      ] as const,
      isDashed: true,
    },
  ],
};

void test('a chart has its axes with labels, its series and their names', (t) => {
  const svg = svgOf([chart]);
  for (const text of [
    'a &lt; b &amp; c',
    'in flight',
    'op/s',
    'one',
    'two',
    '1',
    '2',
    '4',
    '8',
    '100',
    '1,000',
  ])
    t.match(svg, `>${text}</text>`);
  t.notMatch(svg, /NaN|Infinity|undefined/);
  t.equal(svg.match(/<polyline/g)?.length, 2);
  t.end();
});

void test('points are at the ticks of their values', (t) => {
  const svg = svgOf([chart]);
  const [first, last] = /points="(\S+) (\S+)"/
    .exec(svg)!
    .slice(1)
    .map((point) => point.split(',').map(Number));
  // The corners of the plot: minimum and maximum.
  t.same(first, [76, 328]);
  t.same(last, [600, 40]);
  t.end();
});

void test('equal values have an axis too', (t) => {
  t.notMatch(svgOf([{ ...chart, series: [{ name: 'flat', points: [[1, 10]] }] }]), /NaN|Infinity/);
  t.end();
});
