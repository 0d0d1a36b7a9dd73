// What a replica key of this Region tells its primary key in another.
import { isReplica, type KeyRecord, materialsOf } from '../keys/index.js';
import { deletedReplicaPrefix, deletedReplicaRecord } from './deleted-replicas.js';
import { ask } from './messages.js';
import type { SynchronizerParts } from './synchronizer-parts.js';

/** Tells primary keys what becomes of their replicas here. */
export class PrimaryReports {
  /** What was told of imported materials, by key. */
  readonly #toldImports = new Map<string, string>();

  constructor(private readonly parts: Pick<SynchronizerParts, 'peers' | 'keyring' | 'records'>) {}

  /** Lets {@link tellImports} tell a key's materials once more. */
  tellAgain(keyId: string): void {
    this.#toldImports.delete(keyId);
  }

  /** Tells the primary Region that a replica key of this Region was deleted. */
  async tellDeletion(keyId: string): Promise<void> {
    const { records, peers } = this.parts;
    const name = deletedReplicaPrefix + keyId;
    const text = records.get(name);
    if (text === undefined) return;
    const { primaryRegion } = deletedReplicaRecord.parse(JSON.parse(text));
    await ask(peers, primaryRegion, 'ReplicaKeyDeleted', { keyId });
    await records.commit([{ key: name, value: undefined }]);
  }

  /** Tells the primary Region which imported materials a replica key of this Region has. */
  async tellImports(keyId: string): Promise<void> {
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
}

/** The IDs of the imported materials that a key has. */
function importedMaterials(record: KeyRecord): string[] {
  return materialsOf(record).flatMap(({ materialId, imported }) => (imported?.present ? [materialId] : []));
}
