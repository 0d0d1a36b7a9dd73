import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import t from 'tap';
import {
  type Constraint,
  constraintTypes,
  covers,
  pairsOf,
  type Permissions,
} from '../../../daemon/keys/grants/grant-constraints.js';
import { Grants } from '../../../daemon/keys/grants/grants.js';
import { type GrantRecord, putGrant, removeGrant } from '../../../daemon/keys/grants/grant.js';
import { LevelStore } from '../../../daemon/store/leveldb/leveldb.js';
import { Records } from '../../../daemon/store/records/records.js';
import type { GrantOperation } from '../../../proto/generated/messages.js';

const mac = (message: Buffer) => Promise.resolve(createHmac('sha256', 'key').update(message).digest());
const withContext: readonly string[] = ['Encrypt', 'ReEncryptTo'];
const operations: GrantOperation[] = ['Encrypt', 'ReEncryptTo', 'DescribeKey', 'CreateGrant'];

/** What a grant allows, by the API Reference. */
function allows({ operations: own, constraint }: Permissions, operation: string, context: object): boolean {
  if (!own.includes(operation as GrantOperation)) return false;
  if (!constraint || !withContext.includes(operation)) return true;
  const given = new Map(Object.entries(context) as [string, string][]);
  const isThere = constraint.pairs.every(([key, value]) => given.get(key) === value);
  return isThere && (constraint.type === 'EncryptionContextSubset' || given.size === constraint.pairs.length);
}

// Few keys and values, so that they coincide; including those of an object's prototype.
const context = fc.dictionary(
  fc.constantFrom('a', 'A', 'b', '__proto__', 'toString'),
  fc.constantFrom('1', '2', ''),
  {
    noNullPrototype: false,
  },
);
const constraint = fc.option(
  fc
    .record({ type: fc.constantFrom(...constraintTypes), context })
    .filter(({ context }) => Object.keys(context).length > 0)
    .map(({ type, context }): Constraint => ({ type, pairs: pairsOf(context) })),
  { nil: undefined },
);
const permissions = fc.record({ operations: fc.subarray(operations, { minLength: 1 }), constraint });

void t.test('a grant made through a grant allows nothing that the parent does not', (t) => {
  fc.assert(
    fc.property(permissions, fc.array(permissions), context, (first, next, context) => {
      let parent: Permissions = first;
      for (const child of next)
        if (parent.operations.includes('CreateGrant') && covers(parent, child)) parent = child;
      for (const operation of operations)
        if (allows(parent, operation, context) && !allows(first, operation, context)) return false;
      return true;
    }),
    { numRuns: 5_000 },
  );
  t.end();
});

void t.test('a grant that is refused would allow more, where it allows anything with a context', (t) => {
  fc.assert(
    fc.property(permissions, permissions, (parent, child) => {
      if (covers(parent, child) || !child.operations.some((name) => withContext.includes(name))) return true;
      const own = Object.fromEntries(child.constraint?.pairs ?? []);
      const contexts = [own, { ...own, other: 'x' }, {}];
      return operations.some((name) =>
        contexts.some((context) => allows(child, name, context) && !allows(parent, name, context)),
      );
    }),
    { numRuns: 5_000 },
  );
  t.end();
});

void t.test('a request finds a grant that allows it, whatever was added and removed', async (t) => {
  const store = await LevelStore.create(t.testdir());
  t.teardown(() => store.close());
  const records = await Records.load(store, 'store-1', mac);
  const grants = new Grants(records);
  const grantees = ['AIDA1', 'AROA1', 'AROA1:one'];
  const record = fc
    .record({ permissions, granteeId: fc.constantFrom(...grantees) })
    .map(({ permissions, granteeId }): GrantRecord => ({ ...permissions, granteeId, createdAt: 1 }));
  let keys = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ record, isRemoved: fc.boolean() }), { maxLength: 12 }),
      context,
      permissions,
      async (list, context, child) => {
        const keyId = `k${++keys}`;
        const key = { record: { keyId } };
        const made = list.map(({ record, isRemoved }) => {
          return { isRemoved, grant: { keyId, grantId: grants.claim(keyId, record), ...record } };
        });
        await records.commit(made.map(({ grant }) => putGrant(grant)));
        const gone = made.filter(({ isRemoved }) => isRemoved);
        await records.commit(gone.map(({ grant }) => removeGrant(grant)));
        const left = made.filter(({ isRemoved }) => !isRemoved).map(({ grant }) => grant);
        for (const granteeId of grantees) {
          const own = left.filter((grant) => grant.granteeId === granteeId);
          for (const operation of operations) {
            const found = grants.find(key, granteeId, operation, context);
            const isAllowed =
              operation === 'CreateGrant' ? undefined : own.some((each) => allows(each, operation, context));
            if (isAllowed !== undefined) t.equal(found !== undefined, isAllowed);
            if (found) t.ok(own.some(({ grantId }) => grantId === found.grantId));
          }
          const parent = grants.find(key, granteeId, 'CreateGrant', undefined, child);
          const parents = own.filter(
            (each) => each.operations.includes('CreateGrant') && covers(each, child),
          );
          t.equal(parent !== undefined, parents.length > 0);
          t.same(
            [...grants.ofGrantee(keyId, granteeId)].map(({ grantId }) => grantId).sort(),
            own.map(({ grantId }) => grantId).sort(),
          );
        }
        t.equal(grants.count(keyId), left.length);
      },
    ),
    { numRuns: 60 },
  );
});

void t.test('20,000 grants of one key to one grantee slow no request down', async (t) => {
  const store = await LevelStore.create(t.testdir());
  t.teardown(() => store.close());
  const records = await Records.load(store, 'store-1', mac);
  const grants = new Grants(records);
  const keyId = 'k';
  const made = Array.from({ length: 20_000 }, (_, index) => ({
    keyId,
    grantId: index.toString(16).padStart(64, '0'),
    name: `volume ${index}`,
    granteeId: 'AROA1',
    retiringId: 'AROA2',
    operations: ['Decrypt', 'CreateGrant'] as GrantOperation[],
    constraint: {
      type: constraintTypes[index % 2]!,
      pairs: [
        ['service', 'ebs'],
        ['volume', `v${index}`],
      ] as [string, string][],
    },
    createdAt: 1,
  }));
  await records.commit(made.map(putGrant));
  const key = { record: { keyId } };
  const elapsed = (work: () => void) => {
    const begun = performance.now();
    work();
    return performance.now() - begun;
  };
  // Checking all of them would take milliseconds each time.
  const found = elapsed(() => {
    for (let index = 0; index < 1_000; index++) {
      const volume = `v${index * 20}`;
      if (!grants.find(key, 'AROA1', 'Decrypt', { service: 'ebs', volume })) t.fail(volume);
    }
  });
  const missed = elapsed(() => {
    for (let index = 0; index < 1_000; index++)
      if (grants.find(key, 'AROA1', 'Decrypt', { service: 'ebs', volume: 'none' })) t.fail('there is none');
  });
  const covered = elapsed(() => {
    for (const child of made.slice(0, 1_000))
      if (!grants.find(key, 'AROA1', 'CreateGrant', undefined, child)) t.fail(child.name);
  });
  const pages = elapsed(() => {
    for (let index = 0; index < 1_000; index++) {
      const { grantId } = made[index * 19]!;
      const [first] = grants.ofGrantee(keyId, 'AROA1', grantId);
      const [same] = grants.of(keyId, grantId);
      const [third] = grants.retirableBy('AROA2', `${keyId}/${grantId}`);
      if (first !== same || first !== third || !first) t.fail(grantId);
    }
  });
  const loaded = elapsed(() => new Grants(records));
  const begun = performance.now();
  await records.commit(made.map(removeGrant));
  t.comment({ found, missed, covered, pages, loaded, removed: performance.now() - begun });
  for (const time of [found, missed, covered, pages]) t.ok(time < 1_000, `${time} ms for 1,000`);
  t.equal(grants.count(keyId), 0);
  t.same([...grants.of(keyId), ...grants.ofGrantee(keyId, 'AROA1'), ...grants.retirableBy('AROA2')], []);
});
