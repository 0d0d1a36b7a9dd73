// Tells the replicas of one primary key what they do not know yet, and does what waited for it.
import { makeServiceEvent } from '../audit/event.js';
import {
  digestOf,
  type Key,
  type KeyRecord,
  type Keyring,
  putKey,
  type RegionsRecord,
  sharedPropertiesOf,
} from '../keys/index.js';
import { completion } from './completion.js';
import { ask } from './messages.js';
import { PeerError } from './peer.js';
import { materialProofs, shipment } from './shipments.js';
import type { SynchronizerParts } from './synchronizer-parts.js';

/** Tells replicas of primary keys. */
export class ReplicaTeller {
  /** Replicas that are told once more although they confirmed the newest revision: their token may have lost material. */
  readonly #toldAgain = new Set<string>();

  constructor(private readonly parts: SynchronizerParts) {}

  /** Lets {@link tell} tell a replica once more. */
  tellAgain(keyId: string, region: string): void {
    this.#toldAgain.add(`${keyId} ${region}`);
  }

  /** Tells all replicas of a key what they do not know yet. @throws the first failure, after the others were told */
  async tell(keyId: string): Promise<void> {
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
    const proofs = await materialProofs(this.parts, key, region);
    let { wants } = await ask(peers, region, 'SynchronizeKey', { properties, proofs, materials: [] });
    if (wants.length > 0) {
      const materials = [];
      // One after another: however much another Region asks for, the HSM has time for others.
      for (const id of new Set(wants)) materials.push(await shipment(this.parts, key, region, id));
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
