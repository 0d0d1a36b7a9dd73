// Keeps replica keys in other Regions equal to their primary keys in this one. Nothing is queued: what is to be told follows
// from the records, so a restart, a crash or a Region that was away needs no repair. A key is told again whenever its record
// changes, a connection opens anew, or an attempt failed.
import { makeServiceEvent } from '../audit/event.js';
import type { Recorder } from '../journal/recorder.js';
import {
  digestOf,
  isReplica,
  type Key,
  type KeyRecord,
  type Keyring,
  type KeyStores,
  type MaterialProof,
  materialsOf,
  proveMaterial,
  putKey,
  type RegionsRecord,
  sendMaterial,
  type SharedProperties,
  sharedPropertiesOf,
  withRegions,
} from '../keys/index.js';
import type { Logger } from '../observability/log.js';
import type { Records } from '../store/records/records.js';
import { deletedReplicaPrefix, deletedReplicaRecord } from './deleted-replicas.js';
import { ask } from './messages.js';
import { PeerError, type Peers } from './peer.js';
import type { Replication } from './replication.js';

/** Milliseconds after which failed attempts are repeated; a connection that opens repeats them at once. */
const retryInterval = 15_000;
/** Keys with replicas in the same Regions that are told at the same time. A Region that does not answer delays no others. */
const atOnce = 8;

/** What the synchronizer works with. */
export interface SynchronizerParts {
  readonly peers: Peers;
  readonly keyring: Keyring;
  readonly records: Records;
  readonly stores: Pick<KeyStores, 'of'>;
  readonly recorder: Recorder;
  readonly replication: Replication;
  readonly log: Logger;
}

/** Tells replica keys what changes in their primary keys. */
export class Synchronizer {
  /** Keys to look at, by the Regions that they are about. */
  readonly #waiting = new Map<string, Set<string>>();
  readonly #running = new Map<string, Promise<void>>();
  /** How many are running, by the Regions. */
  readonly #runningFor = new Map<string, number>();
  /** Why the last attempt for a key failed. */
  readonly #failures = new Map<string, string>();
  /** Replicas that are told once more although they confirmed the newest revision: their token may have lost material. */
  readonly #toldAgain = new Set<string>();
  /** What the primary Region was told of the imported materials of replica keys, by key. */
  readonly #toldImports = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = true;

  constructor(private readonly parts: SynchronizerParts) {
    const { records, peers } = parts;
    records.observe('key/mrk-', (name) => this.#look(name.slice('key/'.length)));
    records.observe(deletedReplicaPrefix, (name) => this.#look(name.slice(deletedReplicaPrefix.length)));
    peers.onConnected((region) => this.#lookAtAll(region));
  }

  /** Begins with what the last run left. */
  start(): void {
    this.#isStopped = false;
    this.#lookAtAll();
    this.#timer = setInterval(() => this.#retry(), retryInterval).unref();
  }

  /** Finishes the attempts that are under way, and begins no more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await Promise.all(this.#running.values());
  }

  /** For the health report: keys that wait for other Regions, counted by the reason. */
  get warnings(): string[] {
    const keys = new Map<string, string[]>();
    for (const [keyId, reason] of this.#failures) keys.set(reason, [...(keys.get(reason) ?? []), keyId]);
    return [...keys].map(
      ([reason, ids]) =>
        `${ids.length} multi-Region ${ids.length === 1 ? 'key waits' : 'keys wait'} for another Region ` +
        `(${ids.slice(0, 3).join(', ')}${ids.length > 3 ? ', …' : ''}): ${reason}`,
    );
  }

  /** Counts the keys that wait for a Region. */
  pendingKeys(region: string): number {
    const { keyring, records } = this.parts;
    let count = 0;
    for (const keyId of keyring.keyIds('mrk-')) {
      const regions = keyring.key(keyId)?.record.regions;
      if (regions?.role !== 'PRIMARY') continue;
      const { replicaRegions, confirmed, revision, asked } = regions;
      const isBehind = replicaRegions.includes(region) && confirmed?.[region] !== revision;
      if (isBehind || asked?.region === region) count += 1;
    }
    for (const name of records.keys(deletedReplicaPrefix))
      if (deletedReplicaRecord.parse(JSON.parse(records.get(name) ?? '')).primaryRegion === region)
        count += 1;
    return count;
  }

  #lookAtAll(region?: string): void {
    const { keyring, records } = this.parts;
    for (const keyId of keyring.keyIds('mrk-')) {
      if (!keyId.startsWith('mrk-')) break;
      const { regions } = keyring.key(keyId)?.record ?? {};
      if (regions && (region === undefined || relatedTo(regions, region))) {
        if (region !== undefined) this.#toldAgain.add(`${keyId} ${region}`);
        this.#toldImports.delete(keyId);
        this.#look(keyId);
      }
    }
    for (const name of records.keys(deletedReplicaPrefix))
      this.#look(name.slice(deletedReplicaPrefix.length));
  }

  /** Repeats what failed, and abandons creations whose request ended without an answer. */
  #retry(): void {
    const { keyring } = this.parts;
    for (const keyId of this.#failures.keys()) this.#look(keyId);
    for (const keyId of keyring.keyIds('mrk-'))
      if (keyring.key(keyId)?.record.regions?.asked !== undefined) this.#look(keyId);
  }

  #look(keyId: string): void {
    if (this.#isStopped) return;
    const regions = this.#regionsOf(keyId);
    const waiting = this.#waiting.get(regions) ?? new Set();
    this.#waiting.set(regions, waiting.add(keyId));
    // Records are observed while they are committed: what follows must see them whole.
    setImmediate(() => this.#next());
  }

  /** The Regions that a key is about, as text. */
  #regionsOf(keyId: string): string {
    const { keyring, records } = this.parts;
    const regions = keyring.key(keyId)?.record.regions;
    if (regions)
      return [regions.primaryRegion, ...regions.replicaRegions, regions.asked?.region].sort().join(' ');
    return records.get(deletedReplicaPrefix + keyId) ?? '';
  }

  #next(): void {
    for (const [regions, waiting] of this.#waiting) {
      for (const keyId of waiting) {
        const running = this.#runningFor.get(regions) ?? 0;
        if (this.#isStopped || running >= atOnce) break;
        if (this.#running.has(keyId)) continue;
        waiting.delete(keyId);
        this.#runningFor.set(regions, running + 1);
        const work = this.#attempt(keyId).finally(() => {
          this.#running.delete(keyId);
          this.#ended(regions);
          this.#next();
        });
        this.#running.set(keyId, work);
      }
      if (waiting.size === 0) this.#waiting.delete(regions);
    }
  }

  #ended(regions: string): void {
    const left = this.#runningFor.get(regions)! - 1;
    if (left > 0) this.#runningFor.set(regions, left);
    else this.#runningFor.delete(regions);
  }

  async #attempt(keyId: string): Promise<void> {
    try {
      await this.#tellDeletion(keyId);
      await this.#tellImports(keyId);
      await this.#tell(keyId);
      this.#failures.delete(keyId);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (this.#failures.get(keyId) !== reason)
        this.parts.log.warn({ keyId, err: error }, 'a multi-Region key waits for another Region');
      this.#failures.set(keyId, reason);
    }
  }

  /** Tells the primary Region that a replica key of this Region was deleted. */
  async #tellDeletion(keyId: string): Promise<void> {
    const { records, peers } = this.parts;
    const name = deletedReplicaPrefix + keyId;
    const text = records.get(name);
    if (text === undefined) return;
    const { primaryRegion } = deletedReplicaRecord.parse(JSON.parse(text));
    await ask(peers, primaryRegion, 'ReplicaKeyDeleted', { keyId });
    await records.commit([{ key: name, value: undefined }]);
  }

  /** Tells the primary Region which imported materials a replica key of this Region has. */
  async #tellImports(keyId: string): Promise<void> {
    const { keyring, peers } = this.parts;
    const record = keyring.key(keyId)?.record;
    if (record?.origin !== 'EXTERNAL' || !isReplica(record)) return;
    const { primaryRegion } = record.regions!;
    const present = importedMaterials(record);
    const told = [primaryRegion, ...present].join();
    if (this.#toldImports.get(keyId) === told) return;
    await ask(peers, primaryRegion, 'ReplicaMaterials', { keyId, present });
    this.#toldImports.set(keyId, told);
  }

  /** Tells all replicas of a key what they do not know yet. @throws the first failure, after the others were told */
  async #tell(keyId: string): Promise<void> {
    await this.#abandonAsked(keyId);
    for (;;) {
      const key = await this.#announced(keyId);
      const regions = key?.record.regions;
      if (!key || !regions) return;
      const { movingTo, replicaRegions } = regions;
      // The new primary Region is the last to learn it: it tells the others from then on.
      const others = replicaRegions.filter((region) => region !== movingTo);
      await this.#tellRegions(key, others);
      if (movingTo !== undefined) await this.#tellRegions(key, [movingTo]);
      if (!(await this.#completed(keyId))) return;
    }
  }

  async #tellRegions(key: Key, regions: readonly string[]): Promise<void> {
    const results = await Promise.allSettled(regions.map((region) => this.#tellRegion(key, region)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** Asks a Region to remove the replica key whose creation was under way when the daemon ended. */
  async #abandonAsked(keyId: string): Promise<void> {
    const { keyring, peers, records, replication } = this.parts;
    const asked = keyring.key(keyId)?.record.regions?.asked;
    if (!asked || replication.isUnderWay(asked.creationId)) return;
    await ask(peers, asked.region, 'AbandonReplicaKey', { keyId, creationId: asked.creationId });
    await records.commit(() => replication.forgotten(keyId, asked.creationId));
  }

  /** Gives the shared properties of a key a new revision if they have changed. @returns the key, if it has replicas */
  async #announced(keyId: string): Promise<Key | undefined> {
    const { keyring, records, peers } = this.parts;
    const change = () => {
      const record = primaryRecord(keyring, keyId);
      if (!record) return [];
      const digest = digestOf(sharedPropertiesOf(record, peers.own));
      if (record.regions.digest === digest) return [];
      const revision = record.regions.revision + 1;
      return [putKey({ ...record, regions: { ...record.regions, digest, revision } })];
    };
    if (change().length > 0) await records.commit(change);
    return primaryRecord(keyring, keyId) && keyring.key(keyId);
  }

  async #tellRegion(key: Key, region: string): Promise<void> {
    const { keyring, records, peers } = this.parts;
    const { keyId, regions } = key.record;
    const again = `${keyId} ${region}`;
    const isAgain = this.#toldAgain.has(again);
    const { revision } = regions!;
    if (regions!.confirmed?.[region] === revision && !isAgain) return;
    const properties = sharedPropertiesOf(key.record, peers.own);
    const proofs = await this.#proofs(key, region);
    let { wants } = await ask(peers, region, 'SynchronizeKey', { properties, proofs, materials: [] });
    if (wants.length > 0) {
      const materials = [];
      // One after another: however much another Region asks for, the HSM has time for others.
      for (const id of new Set(wants)) materials.push(await this.#send(key, properties, region, id));
      ({ wants } = await ask(peers, region, 'SynchronizeKey', { properties, proofs, materials }));
      if (wants.length > 0)
        throw new PeerError('unknown', region, `The Region ${region} still lacks material of ${key.arn}.`);
    }
    this.#toldAgain.delete(again);
    await records.commit(() => {
      const record = primaryRecord(keyring, keyId);
      if (record?.regions.revision !== revision || record.regions.confirmed?.[region] === revision) return [];
      const confirmed = { ...record.regions.confirmed, [region]: revision };
      return [putKey({ ...record, regions: { ...record.regions, confirmed } })];
    });
  }

  /** Lets the HSM prove which imported materials it has, so that the other Region recognizes them. */
  async #proofs(key: Key, to: string): Promise<Record<string, MaterialProof>> {
    if (key.record.origin !== 'EXTERNAL') return {};
    const store = this.parts.stores.of(key);
    const { keyId, keySpec, keyUsage } = key.record;
    const proofs: Record<string, MaterialProof> = {};
    for (const { materialId, objectId, imported } of materialsOf(key.record)) {
      if (!imported?.present) continue;
      const statement = { to, keyId, materialId, keySpec, keyUsage };
      const id = Buffer.from(objectId, 'hex');
      proofs[materialId] = await proveMaterial(store, key.record, id, statement, this.parts.peers.own);
    }
    return proofs;
  }

  async #send(key: Key, { keyId, keySpec, keyUsage }: SharedProperties, to: string, materialId: string) {
    const { peers, stores } = this.parts;
    const link = peers.linkTo(to);
    const material = materialsOf(key.record).find((each) => each.materialId === materialId);
    if (!link || !material)
      throw new PeerError(
        'refused',
        to,
        `The Region ${to} asked for material that ${key.arn} does not have.`,
      );
    const { linkId, generation } = link;
    const statement = { link: linkId, generation, from: peers.own, to, keyId, materialId, keySpec, keyUsage };
    const { wrapped, checkValue, signature } = await sendMaterial(
      stores.of(key),
      key.record,
      material,
      statement,
    );
    return {
      materialId,
      generation,
      wrapped: wrapped.toString('base64'),
      checkValue: checkValue.toString('base64'),
      signature: signature.toString('base64'),
    };
  }

  /** Does what waited for all replicas to know: a rotation, or a new primary Region. @returns whether the key has changed */
  async #completed(keyId: string): Promise<boolean> {
    const { keyring, recorder, peers } = this.parts;
    const key = keyring.key(keyId);
    const done = key && completion(key.record, peers.own);
    if (!key || !done) return false;
    const changes = () => {
      const again = completion(keyring.existing(keyId).record, peers.own);
      if (!again) throw new Superseded();
      return [putKey(again.record)];
    };
    const { account, region } = keyring.namer;
    const event = makeServiceEvent(done.eventName, account, region, { keyId, ...done.details }, key.arn);
    try {
      await recorder.commit({ changes }, event);
    } catch (error) {
      if (!(error instanceof Superseded)) throw error;
    }
    return true;
  }
}

/** The key has changed since it was looked at. */
class Superseded extends Error {}

type PrimaryRecord = KeyRecord & { readonly regions: RegionsRecord };

function primaryRecord(keyring: Keyring, keyId: string): PrimaryRecord | undefined {
  const record = keyring.key(keyId)?.record;
  const { regions } = record ?? {};
  return record && regions?.role === 'PRIMARY' ? { ...record, regions } : undefined;
}

/** The IDs of the imported materials that a key has. */
function importedMaterials(record: KeyRecord): string[] {
  return materialsOf(record).flatMap(({ materialId, imported }) => (imported?.present ? [materialId] : []));
}

function relatedTo({ primaryRegion, replicaRegions, asked }: RegionsRecord, region: string): boolean {
  return primaryRegion === region || replicaRegions.includes(region) || asked?.region === region;
}

/** What follows once all replicas of a key have its newest revision. @returns undefined if nothing does */
function completion(record: KeyRecord, own: string) {
  const { regions, pendingMaterial } = record;
  if (regions?.role !== 'PRIMARY') return undefined;
  const { replicaRegions, confirmed, revision, movingTo, digest } = regions;
  const isKnown = replicaRegions.every((region) => confirmed?.[region] === revision);
  const properties = sharedPropertiesOf(record, own);
  if (!isKnown || digest !== digestOf(properties)) return undefined;
  if (movingTo !== undefined) {
    const { primaryRegion } = properties;
    return {
      eventName: 'SynchronizeMultiRegionKey',
      details: { primaryRegion },
      record: withRegions(
        record,
        { role: 'REPLICA', primaryRegion, replicaRegions: properties.replicaRegions, revision },
        Date.now() / 1000,
      ),
    };
  }
  if (pendingMaterial?.rotationType === undefined) return undefined;
  return {
    eventName: 'RotateKey',
    details: {
      rotationType: pendingMaterial.rotationType,
      keyOrigin: record.origin,
      previousKeyMaterialId: record.materials.at(-1)?.materialId,
      currentKeyMaterialId: pendingMaterial.materialId,
    },
    record: {
      ...record,
      materials: [...record.materials, { ...pendingMaterial, createdAt: Date.now() / 1000 }],
      pendingMaterial: undefined,
    },
  };
}
