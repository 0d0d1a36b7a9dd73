// Every attack on key wrapping is refused by SoftHSM2, with the return value that is expected of it.
import t from 'tap';
import { assess, objections } from '../../../daemon/hsm/link/index.js';
import { makeToken } from '../token.js';
import { ceremonyOf, pins } from './two-regions.js';

void t.test('SoftHSM2 can be linked', async (t) => {
  const token = makeToken(t);
  Object.assign(process.env, token.env);
  const tried = await assess(ceremonyOf(token), pins);
  for (const { name, source, verdict, returned, asExpected } of tried) {
    t.equal(verdict, 'refused', `${name} (${source})`);
    t.ok(asExpected, `${name}: ${returned}`);
  }
  t.ok(tried.length > 50);
  t.same(objections(tried), []);
});
