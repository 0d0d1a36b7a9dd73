// A Region that asks for many changes at once waits for them. Only the least time is asserted: a busy machine takes longer.
import t from 'tap';
import { Pace } from '../../../daemon/operations/regions/pace.js';

await t.test('changes after a burst are spread', async (t) => {
  const pace = new Pace();
  const began = performance.now();
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 80 }, async (_, index) => {
      await pace.turn();
      order.push(index);
    }),
  );
  const seconds = (performance.now() - began) / 1_000;
  t.ok(seconds > 0.55, `80 changes of 50 a second, 50 of them at once, took ${seconds} s`);
  t.same(
    order,
    order.toSorted((a, b) => a - b),
    'they keep their order',
  );
});

await t.test('each Region has its own pace', async (t) => {
  const [one, other] = [new Pace(), new Pace()];
  let done = 0;
  const all = Array.from({ length: 100 }, () => one.turn().then(() => (done += 1)));
  await other.turn();
  t.ok(done < 100, `the other Region does not wait for the ${100 - done} changes of the first`);
  await Promise.all(all);
});
