// The journal of `keyhold init`, which is written before anything is created, so that the next run can finish an interrupted
// one. It is also the lock against a second run. Nothing is ever destroyed or emptied because of it.
import { rmSync } from 'node:fs';
import { randomBytes, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { syncFolderSync } from '../../files/replace-file.js';
import { type InternalKeyPurpose, internalKeys } from '../../keys/index.js';
import { findFolderFault } from '../../store/leveldb/leveldb-folder.js';
import { LevelStore } from '../../store/leveldb/leveldb.js';
import { StoreError } from '../../store/store.js';
import { homePaths } from '../../files/home.js';

const purposes = Object.keys(internalKeys) as InternalKeyPurpose[];
const objectIds = z.array(z.string().regex(/^[0-9a-f]{32}$/)).min(1);

const planRecord = z.strictObject({
  storeId: z.uuid(),
  /** CKA_IDs that were drawn for each key, in hex; the last one is in use. */
  keys: z.strictObject({ 'record-mac': objectIds, secrets: objectIds, 'audit-signing': objectIds }),
});

/** The IDs that an initialisation uses. */
export type Plan = z.output<typeof planRecord>;

const planKey = 'plan';

/** The journal of a home. */
export class InitJournal {
  private constructor(
    private readonly home: string,
    private readonly store: LevelStore,
    private current: Plan | undefined,
  ) {}

  /** Takes the lock. @throws StoreError 'locked' if another run has it */
  static async open(home: string): Promise<InitJournal> {
    const path = folderOf(home);
    try {
      const store = findFolderFault(path) ? await makeAnew(path) : await LevelStore.open(path);
      return new InitJournal(home, store, readPlan(await store.get(planKey)));
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'locked') throw error;
      throw new StoreError(
        'locked',
        `Another 'keyhold init' is running in ${home}: wait until it has ended.`,
      );
    }
  }

  /** The plan of an interrupted run, if there is one. */
  get plan(): Plan | undefined {
    return this.current;
  }

  /** Makes a plan, or continues the present one. The plan is on stable storage when this resolves. */
  async begin(): Promise<Plan> {
    if (this.current) return this.current;
    const keys = Object.fromEntries(purposes.map((purpose) => [purpose, [drawId()]]));
    return await this.#put(planRecord.parse({ storeId: randomUUID(), keys }));
  }

  /** Draws another ID for a key, because an interrupted run left an unusable object with the last one. */
  async redraw(purpose: InternalKeyPurpose): Promise<Plan> {
    const { storeId, keys } = await this.begin();
    return await this.#put({ storeId, keys: { ...keys, [purpose]: [...keys[purpose], drawId()] } });
  }

  /** Drops the plan, because nothing of it is left: closing removes the journal. */
  forget(): void {
    this.current = undefined;
  }

  /** Everything is created: removes the journal. */
  async finish(): Promise<void> {
    this.forget();
    await this.close();
  }

  /** Releases the lock; an unfinished plan stays. */
  async close(): Promise<void> {
    await this.store.close();
    if (this.current) return;
    rmSync(folderOf(this.home), { recursive: true, force: true });
    syncFolderSync(this.home);
  }

  async #put(plan: Plan): Promise<Plan> {
    await this.store.batch([{ type: 'put', key: planKey, value: Buffer.from(JSON.stringify(plan)) }]);
    this.current = plan;
    return plan;
  }
}

function folderOf(home: string): string {
  return homePaths(home).initialising;
}

/** Replaces a journal that is incomplete or damaged; then every trace of an installation counts. */
async function makeAnew(path: string): Promise<LevelStore> {
  rmSync(path, { recursive: true, force: true });
  return await LevelStore.create(path);
}

function readPlan(bytes: Buffer | undefined): Plan | undefined {
  if (!bytes) return undefined;
  const parsed = planRecord.safeParse(JSON.parse(bytes.toString()));
  if (parsed.success) return parsed.data;
  throw new StoreError('corrupt', "The folder 'initialising' in the home has no valid plan: remove it.");
}

/** Draws a CKA_ID: 16 bytes in hex. */
function drawId(): string {
  return randomBytes(16).toString('hex');
}
