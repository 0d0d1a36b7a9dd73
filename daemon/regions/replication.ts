// What requests of this Region ask of others: to create a replica key, and to make one the primary key.
import { randomUUID } from 'node:crypto';
import { exceptions } from '../../proto/errors.js';
import {
  type Key,
  type KeyRecord,
  type Keyring,
  putKey,
  type RegionsRecord,
  regionsOf,
  sharedPropertiesOf,
  withoutRegion,
} from '../keys/index.js';
import type { RecordChange, Records } from '../store/records/records.js';
import { ask, type PeerResponse, type SentRequest } from './messages.js';
import { PeerError, type Peers } from './peer.js';

/** In whose name another Region is asked. */
export type PeerCaller = SentRequest<'CreateReplicaKey'>['caller'];

/** The properties of a replica key that are its own. */
export type OwnProperties = Omit<SentRequest<'CreateReplicaKey'>, 'creationId' | 'properties' | 'caller'>;

/** A replica key in another Region that no record here names yet. */
export interface CreatedReplica extends PeerResponse<'CreateReplicaKey'> {
  /** Evaluated when the change is committed, against the records as they are then. */
  readonly changes: () => readonly RecordChange[];
  /** Removes the replica key if the change was not committed. */
  readonly undo: () => Promise<void>;
  /** To be called once the change is committed. */
  readonly finish: () => Promise<void>;
}

/** Asks other Regions. */
export class Replication {
  /** The creations that a request waits for; others that are recorded were left by a crash. */
  readonly #underWay = new Set<string>();

  constructor(
    readonly peers: Peers,
    private readonly keyring: Keyring,
    private readonly records: Records,
  ) {}

  /** Whether a request waits for a creation. */
  isUnderWay(creationId: string): boolean {
    return this.#underWay.has(creationId);
  }

  /**
   * Creates a replica key in another Region. That it is asked for is recorded first, so that a crash leaves no replica key
   * that this Region does not know of.
   * @throws PeerError; ConflictException if another replica of the key is being created
   */
  async createReplica(
    key: Key,
    region: string,
    caller: PeerCaller,
    own: OwnProperties,
  ): Promise<CreatedReplica> {
    const { keyId } = key.record;
    const creationId = randomUUID();
    this.#underWay.add(creationId);
    try {
      await this.records.commit(() => [this.#asks(keyId, { region, creationId })]);
      const { record } = this.keyring.existing(keyId);
      const properties = sharedPropertiesOf(record, this.peers.own);
      const others = properties.replicaRegions.filter((each) => each !== region);
      const replicaRegions = [...others, region];
      const request = { ...own, creationId, caller, properties: { ...properties, replicaRegions } };
      const created = await ask(this.peers, region, 'CreateReplicaKey', request);
      return {
        ...created,
        changes: () => [this.#has(keyId, region, creationId)],
        undo: () => this.#abandon(keyId, region, creationId),
        // Not earlier: the synchronizer would abandon a replica key whose record is being written.
        finish: () => {
          this.#underWay.delete(creationId);
          return Promise.resolve();
        },
      };
    } catch (error) {
      // After an unknown outcome the synchronizer asks the Region to abandon what it may have created.
      const isSettled = error instanceof PeerError && error.code !== 'unknown';
      this.#underWay.delete(creationId);
      if (isSettled) await this.records.commit(() => this.forgotten(keyId, creationId));
      throw error;
    }
  }

  /** Asks a Region whether its replica key may become the primary key. @throws PeerError */
  async preparePrimary(key: Key, region: string, caller: PeerCaller): Promise<void> {
    await ask(this.peers, region, 'PreparePrimary', { keyId: key.record.keyId, caller });
  }

  /** Returns the changes that end a creation that was asked for. */
  forgotten(keyId: string, creationId: string): readonly RecordChange[] {
    const record = this.keyring.key(keyId)?.record;
    if (record?.regions?.asked?.creationId !== creationId) return [];
    return [putKey({ ...record, regions: { ...record.regions, asked: undefined } })];
  }

  #asks(keyId: string, asked: { readonly region: string; readonly creationId: string }): RecordChange {
    const { record, arn } = this.keyring.existing(keyId);
    const regions = regionsOf(record, this.peers.own);
    if (regions.asked !== undefined)
      throw new exceptions.ConflictException(`Another replica of ${arn} is being created: try again.`);
    checkStays(record, regions, arn);
    return putKey({ ...record, regions: { ...regions, asked } });
  }

  #has(keyId: string, region: string, creationId: string): RecordChange {
    const { record, arn } = this.keyring.existing(keyId);
    const regions = regionsOf(record, this.peers.own);
    if (regions.asked?.creationId !== creationId)
      throw new exceptions.ConflictException(`${arn} has changed meanwhile: try again.`);
    checkStays(record, regions, arn);
    // A Region whose store was restored from before the replication gets the key again, and knows nothing of it.
    const others = withoutRegion(regions, region);
    const replicaRegions = [...others.replicaRegions, region];
    return putKey({ ...record, regions: { ...others, replicaRegions, asked: undefined } });
  }

  async #abandon(keyId: string, region: string, creationId: string): Promise<void> {
    this.#underWay.delete(creationId);
    try {
      await ask(this.peers, region, 'AbandonReplicaKey', { keyId, creationId });
      await this.records.commit(() => this.forgotten(keyId, creationId));
    } catch {
      // The synchronizer does it later. The request fails with what made it fail.
    }
  }
}

/** Checks that a key is a primary key and remains it: a replica of one that is deleted would be left alone. */
function checkStays(record: KeyRecord, { role, movingTo }: RegionsRecord, arn: string): void {
  if (role === 'PRIMARY' && movingTo === undefined && !record.deletion && !record.replicaDeletion) return;
  throw new exceptions.ConflictException(`${arn} has changed meanwhile: try again.`);
}
