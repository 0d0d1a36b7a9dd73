// Creates the instance of a new home: the daemon's own keys in the HSM, and the root principal. One batch of the store
// creates it; until then the store is empty, and the next run reuses the keys that an interrupted one created.
import { Secrets } from '../../hsm/secrets.js';
import type { Config } from '../../config/schema.js';
import { replaceFileSync } from '../../files/replace-file.js';
import { HsmError, type KeyStore } from '../../hsm/key-store.js';
import { AccessKeys } from '../../identity/access-keys.js';
import type { PrincipalRecord } from '../../identity/records.js';
import {
  type Instance,
  instanceKey,
  instanceRecordKey,
  instanceText,
  internalLabel,
  internalObjectId,
  secretsKey,
} from '../../app/opening/instance.js';
import { ecdsaSha256, hmacSha256, type InternalKeyPurpose, internalKeys } from '../../keys/index.js';
import { Records } from '../../store/records/records.js';
import type { MetadataStore } from '../../store/store.js';
import { writeAuditPublicKey } from '../../app/opening/audit-public-key.js';
import type { InitJournal, Plan } from './journal.js';
import { homePaths } from '../../files/home.js';

/**
 * Generates the keys of a plan, reusing complete ones of an interrupted run.
 * @returns the instance, which is not stored yet
 * @throws HsmError
 */
export async function makeInternalKeys(
  { account, region }: Config,
  journal: InitJournal,
  keyStore: KeyStore,
): Promise<Instance> {
  let plan = await journal.begin();
  for (const purpose of Object.keys(internalKeys) as InternalKeyPurpose[]) {
    const left = objectsOf(keyStore, plan, purpose);
    if (left > 0 && (await isUsable(keyStore, instanceOf(plan, account, region), purpose))) continue;
    // Nothing is destroyed: an incomplete key stays in the token.
    if (left > 0) plan = await journal.redraw(purpose);
    const id = internalObjectId(instanceOf(plan, account, region), purpose);
    await keyStore.generate(id, internalLabel(purpose), internalKeys[purpose]);
  }
  return instanceOf(plan, account, region);
}

function instanceOf({ storeId, keys }: Plan, account: string, region: string): Instance {
  const ids = Object.entries(keys).map(([purpose, drawn]) => [purpose, drawn.at(-1)!]);
  const own = Object.fromEntries(ids) as Instance['internalKeys'];
  return { format: 2, storeId, account, region, internalKeys: own };
}

function objectsOf({ objects }: KeyStore, { keys }: Plan, purpose: InternalKeyPurpose): number {
  const id = keys[purpose].at(-1)!;
  return objects.filter((object) => object.id.toString('hex') === id).length;
}

/** Whether the token has a complete and working key with our label. */
async function isUsable(
  keyStore: KeyStore,
  instance: Instance,
  purpose: InternalKeyPurpose,
): Promise<boolean> {
  const id = internalObjectId(instance, purpose);
  const found = keyStore.objects.filter((object) => object.id.equals(id));
  const parts = internalKeys[purpose].publicAttributes ? 2 : 1;
  if (found.length !== parts || found.some(({ label }) => label !== internalLabel(purpose))) return false;
  try {
    await uses[purpose](keyStore, instance);
    return true;
  } catch (error) {
    if (error instanceof HsmError) return false;
    throw error;
  }
}

const sample = Buffer.from('keyhold init');

/** Uses each key once for its purpose. */
const uses: Readonly<
  Record<InternalKeyPurpose, (keyStore: KeyStore, instance: Instance) => Promise<unknown>>
> = {
  'record-mac': (keyStore, instance) =>
    keyStore.sign(internalObjectId(instance, 'record-mac'), hmacSha256, 'none', sample),
  secrets: async (keyStore, instance) => {
    const message = await keyStore.encrypt(secretsKey(instance), sample, sample);
    return await keyStore.decrypt(secretsKey(instance), sample, message);
  },
  'audit-signing': async (keyStore, instance) => {
    await keyStore.publicKey(internalObjectId(instance, 'audit-signing'));
    return await ecdsaSha256(keyStore, internalObjectId(instance, 'audit-signing'), sample);
  },
};

/**
 * Stores the instance and the root principal in an empty store, after its access key is in `credentials` and the public key
 * of the audit log in the home. It is one batch, so that a store without an instance is empty.
 * @throws StoreError, HsmError
 */
export async function storeNewInstance(
  home: string,
  instance: Instance,
  store: MetadataStore,
  keyStore: KeyStore,
): Promise<void> {
  const macKey = internalObjectId(instance, 'record-mac');
  const mac = (message: Buffer) => keyStore.sign(macKey, hmacSha256, 'none', message);
  const records = await Records.load(withInstance(store, instance), instance.storeId, mac);
  const accessKeys = new AccessKeys(records, keyStore, new Secrets(keyStore, secretsKey(instance)));
  const principalId = instance.account;
  const { accessKeyId, secretAccessKey, change } = await accessKeys.create(principalId);
  const root: PrincipalRecord = { type: 'Root', createdAt: Date.now() / 1000 };
  await writeAuditPublicKey(home, instance, keyStore);
  replaceFileSync(
    homePaths(home).credentials,
    `[default]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`,
  );
  await records.commit([
    { key: instanceRecordKey, value: instanceText(instance) },
    { key: `principal/${principalId}`, value: JSON.stringify(root) },
    change,
  ]);
}

/** Adds the instance to each batch, under the key where it is read before a MAC can be checked. */
function withInstance(store: MetadataStore, instance: Instance): MetadataStore {
  const put = { type: 'put', key: instanceKey, value: Buffer.from(instanceText(instance)) } as const;
  return {
    get: (key) => store.get(key),
    range: (range) => store.range(range),
    batch: (changes, preconditions) => store.batch([...changes, put], preconditions),
    watch: (prefix, listener) => store.watch(prefix, listener),
    get busySince() {
      return store.busySince;
    },
    writes: store.writes,
    get failures() {
      return store.failures;
    },
    close: () => store.close(),
  };
}
