// Either daemon is killed at random moments of replications, rotations and changes of the primary Region: afterwards the
// related keys are equal, with nothing half made and nothing twice. KEYHOLD_TEST_ROUNDS and KEYHOLD_TEST_SEED make it longer
// and repeat it.
import { randomInt } from 'node:crypto';
import t from 'tap';
import { describe } from '../../support/imports.js';
import { labels } from '../../support/token.js';
import { restart, startLinkedRegions, type TestRegion, until } from '../../support/regions.js';

const rounds = Number(process.env.KEYHOLD_TEST_ROUNDS ?? 10);
const seed = Number(process.env.KEYHOLD_TEST_SEED ?? randomInt(2 ** 31));
t.comment(`seed ${seed}`);
const random = generator(seed);

const regions = await startLinkedRegions(t);
const [one, other] = regions;
/** The ID of each key that was created. */
const keyIds: string[] = [];

/** Keys as both Regions describe them; undefined where there is none. */
async function described(keyId: string) {
  return Promise.all(
    regions.map(async ({ client }) => {
      try {
        return await describe(client, keyId);
      } catch (error) {
        if ((error as { code?: string }).code === 'NotFoundException') return undefined;
        throw error;
      }
    }),
  );
}

type Described = Awaited<ReturnType<typeof described>>;

/** Whether a key is whole: in one Region alone, or in both as one primary key and its replica. */
function isWhole(all: Described): boolean {
  const present = all.filter((each) => each !== undefined);
  const [first] = present;
  if (!first || present.some(({ keyState }) => keyState !== 'Enabled')) return false;
  const types = present.map(({ multiRegionConfiguration: c }) => c?.multiRegionKeyType).sort();
  if (JSON.stringify(types) !== JSON.stringify(['PRIMARY', 'REPLICA'].slice(0, present.length))) return false;
  return present.every(
    ({ multiRegionConfiguration: c, currentKeyMaterialId }) =>
      c?.replicaKeys?.length === present.length - 1 &&
      c.primaryKey?.region === first.multiRegionConfiguration?.primaryKey?.region &&
      currentKeyMaterialId === first.currentKeyMaterialId,
  );
}

/** Finds the Region of a key's primary key, and the other one. */
async function placesOf(keyId: string): Promise<readonly [TestRegion, TestRegion]> {
  const all = await described(keyId);
  const isFirst = all[0]?.multiRegionConfiguration?.multiRegionKeyType === 'PRIMARY';
  return isFirst ? [one, other] : [other, one];
}

const actions: readonly (() => Promise<unknown>)[] = [
  async () => {
    const [at, to] = random() < 0.5 ? [one, other] : [other, one];
    const { keyId } = (await at.client.createKey({ multiRegion: true })).keyMetadata;
    keyIds.push(keyId);
    await at.client.replicateKey({ keyId, replicaRegion: to.name });
  },
  async () => {
    const keyId = anyKey();
    const [at] = await placesOf(keyId);
    await at.client.rotateKeyOnDemand({ keyId });
  },
  async () => {
    const keyId = anyKey();
    const [at, to] = await placesOf(keyId);
    await at.client.updatePrimaryRegion({ keyId, primaryRegion: to.name });
  },
];

function anyKey(): string {
  return keyIds[Math.floor(random() * keyIds.length)]!;
}

await actions[0]!();
for (let round = 0; round < rounds; round += 1) {
  const action = Math.floor(random() * actions.length);
  const victim = regions[Math.floor(random() * 2)]!;
  const milliseconds = Math.floor(random() ** 2 * 400);
  await t.test(
    `round ${round}: ${victim.name} is killed ${milliseconds} ms into action ${action}`,
    async (t) => {
      const acting = actions[action]!().catch((error: unknown) => error);
      await new Promise((done) => setTimeout(done, milliseconds));
      await restart(victim, 'SIGKILL');
      await acting;
      for (const keyId of keyIds) {
        const all = await until(() => described(keyId), isWhole);
        if (all.some((each) => each === undefined)) continue;
        for (const [from, to] of [regions, [other, one] as const]) {
          const { ciphertextBlob } = await from.client.encrypt({ keyId, plaintext: Buffer.from('text') });
          const { plaintext } = await to.client.decrypt({ ciphertextBlob });
          t.equal(Buffer.from(plaintext).toString(), 'text');
        }
      }
    },
  );
}

await t.test('each token has the material of its keys and no other, and both logs verify', async (t) => {
  for (const { client, daemon, name } of regions) {
    const expected = new Map<string, number>();
    const { keys = [] } = await client.listKeys({});
    for (const { keyId } of keys) {
      const includeKeyMaterial = 'ALL_KEY_MATERIAL' as const;
      const { rotations = [] } = await client.listKeyRotations({ keyId: keyId, includeKeyMaterial });
      expected.set(`keyhold/${keyId}`, rotations.length);
    }
    const { warnings } = await daemon.health();
    t.same(warnings, [], `${name} has nothing to warn of`);
    await client.close();
    await daemon.stop();
    const found = new Map<string, number>();
    for (const label of labels(daemon).filter((each) => each.startsWith('keyhold/mrk-')))
      found.set(label, (found.get(label) ?? 0) + 1);
    t.same([...found].sort(), [...expected].sort(), `the token of ${name}`);
    t.match(await daemon.admin('audit-verify'), { code: 0 });
  }
});

/** A generator of pseudorandom numbers below 1 (mulberry32). */
function generator(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
