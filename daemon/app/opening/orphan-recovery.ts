// Keys whose creation is in the audit log but not in the metadata store, because the disk lost the end of the store's log.
// Their intents are in the store again, and undoing them would destroy the material of acknowledged keys.
import { madeKeys } from '../../audit/search.js';
import type { KeyStore } from '../../hsm/key-store.js';
import type { Logger } from '../../observability/log.js';
import type { Records } from '../../store/records/records.js';

const labelPrefix = 'keyhold/';

/** Finds such keys, and keeps their objects. */
export class OrphanRecovery {
  /** Ids of the keys whose objects were kept. */
  readonly lost: string[] = [];
  /** IDs of all keys whose creation is in the audit log, read on first use. */
  #made: Promise<ReadonlySet<string>> | undefined;

  /** @param directory of the audit log */
  constructor(
    private readonly directory: string,
    private readonly records: Records,
    private readonly keyStore: KeyStore,
    private readonly log: Logger,
  ) {}

  /** For the health report. */
  get warnings(): string[] {
    return this.lost.map(
      (keyId) => `the metadata store lost key ${keyId}, which had been created: its object was kept`,
    );
  }

  /** Whether the object of an intent belongs to such a key, and must be kept. @param objectId CKA_ID, hex */
  async isKept(objectId: string): Promise<boolean> {
    const object = this.keyStore.objects.find(({ id }) => id.toString('hex') === objectId);
    if (!object?.label.startsWith(labelPrefix)) return false;
    const keyId = object.label.slice(labelPrefix.length);
    if (this.records.get(`key/${keyId}`) !== undefined) return false;
    this.#made ??= madeKeys(this.directory);
    if (!(await this.#made).has(keyId)) return false;
    this.lost.push(keyId);
    this.log.error(
      { keyId, objectId },
      'the metadata store lost a key that had been created: the disk lost a write that it had confirmed. The object stays in the HSM',
    );
    return true;
  }
}
