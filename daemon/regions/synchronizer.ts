// Keeps replica keys in other Regions equal to their primary keys in this one. Nothing is queued: what is to be told follows
// from the records, so a restart, a crash or a Region that was away needs no repair. A key is told again whenever its record
// changes, a connection opens anew, or an attempt failed.
import type { RegionsRecord } from '../keys/index.js';
import { deletedReplicaPrefix, deletedReplicaRecord } from './deleted-replicas.js';
import { PrimaryReports } from './primary-reports.js';
import { ReplicaTeller } from './replica-teller.js';
import type { SynchronizerParts } from './synchronizer-parts.js';

/** Milliseconds after which failed attempts are repeated; a connection that opens repeats them at once. */
const retryInterval = 15_000;
/** Keys with replicas in the same Regions that are told at the same time. A Region that does not answer delays no others. */
const atOnce = 8;

/** Tells replica keys what changes in their primary keys. */
export class Synchronizer {
  /** Keys to look at, by the Regions that they are about. */
  readonly #waiting = new Map<string, Set<string>>();
  readonly #running = new Map<string, Promise<void>>();
  /** How many are running, by the Regions. */
  readonly #runningFor = new Map<string, number>();
  /** Why the last attempt for a key failed. */
  readonly #failures = new Map<string, string>();
  readonly #replicas: ReplicaTeller;
  readonly #reports: PrimaryReports;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = true;

  constructor(private readonly parts: SynchronizerParts) {
    this.#replicas = new ReplicaTeller(parts);
    this.#reports = new PrimaryReports(parts);
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
        if (region !== undefined) this.#replicas.tellAgain(keyId, region);
        this.#reports.tellAgain(keyId);
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
      await this.#reports.tellDeletion(keyId);
      await this.#reports.tellImports(keyId);
      await this.#replicas.tell(keyId);
      this.#failures.delete(keyId);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (this.#failures.get(keyId) !== reason)
        this.parts.log.warn({ keyId, err: error }, 'a multi-Region key waits for another Region');
      this.#failures.set(keyId, reason);
    }
  }
}

function relatedTo({ primaryRegion, replicaRegions, asked }: RegionsRecord, region: string): boolean {
  return primaryRegion === region || replicaRegions.includes(region) || asked?.region === region;
}
