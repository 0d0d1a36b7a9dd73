import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import t from 'tap';
import { SetHash } from '../../../daemon/store/records/set-hash.js';

const key = randomBytes(32);
const hashOf = (members: readonly string[], under = key) =>
  members.reduce((set, member) => set.with(Buffer.from(member)), SetHash.under(under));
const sets = fc.uniqueArray(fc.string({ maxLength: 20 }), { minLength: 1, maxLength: 30 });

void t.test('the root depends neither on the order of the members nor on how the set came about', (t) => {
  fc.assert(
    fc.property(sets, sets, fc.integer({ min: 0, max: 2 ** 40 }), (members, others, epoch) => {
      const root = hashOf(members).root(epoch);
      t.equal(hashOf([...members].reverse()).root(epoch), root);
      const visitors = others.filter((other) => !members.includes(other));
      let set = hashOf([...visitors, ...members]);
      for (const visitor of visitors) set = set.without(Buffer.from(visitor));
      t.equal(set.root(epoch), root);
      t.equal(set.count, members.length);
    }),
    { numRuns: 100 },
  );
  t.end();
});

void t.test('every single deletion, replacement, addition and duplication gives another root', (t) => {
  fc.assert(
    fc.property(sets, fc.string({ maxLength: 20 }), (members, other) => {
      const root = hashOf(members).root(7);
      for (const index of members.keys()) {
        const without = members.filter((_, at) => at !== index);
        t.not(hashOf(without).root(7), root, 'deleted');
        t.not(hashOf([...members, members[index]!]).root(7), root, 'twice');
        t.not(
          hashOf([...members, members[index]!, members[index]!]).root(7),
          root,
          'a member that occurs three times gives another root',
        );
        if (!members.includes(other)) t.not(hashOf([...without, other]).root(7), root, 'replaced');
      }
      if (!members.includes(other)) t.not(hashOf([...members, other]).root(7), root, 'added');
      t.not(hashOf(members).root(8), root, 'another epoch gives another root');
      t.not(hashOf(members, randomBytes(32)).root(7), root, 'another key gives another root');
    }),
    { numRuns: 100 },
  );
  t.end();
});

void t.test('a root is 32 bytes in hex, also of the empty set', (t) => {
  t.match(SetHash.under(key).root(0), /^[0-9a-f]{64}$/);
  t.equal(
    SetHash.under(key).with(Buffer.from('a')).without(Buffer.from('a')).root(3),
    SetHash.under(key).root(3),
  );
  t.end();
});
