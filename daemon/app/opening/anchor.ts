// The anchor: a copy of the store's root in the HSM, so that a start detects an older copy of the store. It is updated in
// the background.
import { HsmError, type KeyStore } from '../../hsm/key-store.js';
import type { Instance } from './instance.js';
import type { Logger } from '../../observability/log.js';
import type { Records } from '../../store/records/records.js';
import { type Anchor, anchorBytes, parseAnchor } from '../../store/records/root.js';

/** Minimum time between two writes in milliseconds: a module may write to flash memory. */
const pause = 5_000;
/** Maximum fraction of time spent writing: SoftHSM2 with 10,000 objects is slow. */
const share = 1 / 20;

const labelPrefix = 'keyhold/internal/anchor/';

/** CKA_LABEL of an instance's anchor, 60 bytes. Several Keyholds may share a token. */
export function anchorLabel({ storeId }: Instance): string {
  return labelPrefix + storeId;
}

/** Ids of the metadata stores whose anchors a token held when it was connected. */
export function anchoredStores({ objects }: KeyStore): string[] {
  const labels = new Set(objects.map(({ label }) => label));
  return [...labels]
    .filter((label) => label.startsWith(labelPrefix))
    .map((label) => label.slice(labelPrefix.length));
}

/**
 * Reads the anchor of an instance. A crash between creating the new one and destroying the old one leaves several: the
 * newest counts. A damaged anchor counts as missing: whoever can damage it could also forge it.
 * @throws HsmError
 */
export async function readAnchor(keyStore: KeyStore, instance: Instance): Promise<Anchor | undefined> {
  const contents = await keyStore.readData(anchorLabel(instance));
  return contents
    .map(parseAnchor)
    .filter((anchor) => anchor !== undefined)
    .sort((a, b) => b.epoch - a.epoch)[0];
}

/** Updates the anchor in the background, so that it follows the store's root. */
export class Anchoring {
  #written: number;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #notBefore = 0;
  #failure: HsmError | undefined;
  /** Another write was requested while one was running. */
  #again = false;
  #closed = false;
  /** Says that the HSM was restored from a backup, or that its anchor was destroyed; undefined: neither. */
  readonly lost: string | undefined;

  /** @param found the anchor that the HSM holds */
  constructor(
    private readonly keyStore: KeyStore,
    private readonly instance: Instance,
    private readonly records: Records,
    private readonly log: Logger,
    found: Anchor | undefined,
  ) {
    this.#written = found?.epoch ?? 0;
    this.lost = lostAnchor(records, found);
    if (this.lost) log.error(this.lost);
    records.noteAnchor(this.#written);
  }

  /** For the health report. */
  get warnings(): string[] {
    const warnings = this.lost ? [this.lost] : [];
    if (this.#failure?.code === 'unsupported')
      warnings.push(
        'the module holds no private data objects: an older metadata store that is put back is not found',
      );
    else if (this.#failure) warnings.push(`the anchor could not be written: ${this.#failure.message}`);
    return warnings;
  }

  /** Requests a write of the anchor, if the root has changed. Returns at once. */
  request(): void {
    if (this.#writing) this.#again = true;
    if (this.#closed || this.#timer || this.#writing || !this.#isBehind) return;
    const wait = Math.max(0, this.#notBefore - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#begin().catch((error: unknown) =>
        this.log.error({ err: error }, 'the anchor could not be written'),
      );
    }, wait).unref();
  }

  /** Writes the anchor now, if it is behind. A failure is logged and shown in {@link warnings}. */
  async flush(): Promise<void> {
    await this.#writing;
    await this.#begin();
  }

  /** Does a last {@link flush}; later requests are ignored. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.flush();
  }

  get #isBehind(): boolean {
    return (this.records.root?.epoch ?? 0) > this.#written;
  }

  #begin(): Promise<void> {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
      if (this.#again) this.request();
      this.#again = false;
    });
    return this.#writing;
  }

  async #write(): Promise<void> {
    const { root } = this.records;
    if (!root || !this.#isBehind) return;
    const began = performance.now();
    try {
      await this.keyStore.replaceData(anchorLabel(this.instance), anchorBytes(root));
      this.#written = root.epoch;
      this.records.noteAnchor(root.epoch);
      this.#failure = undefined;
    } catch (error) {
      if (!(error instanceof HsmError)) throw error;
      if (this.#failure?.code !== error.code)
        this.log.error({ err: error }, 'the anchor of the metadata store could not be written to the HSM');
      this.#failure = error;
      // A module does not gain this ability while the daemon runs.
      if (error.code === 'unsupported') this.#closed = true;
    }
    const end = performance.now();
    this.#notBefore = end + Math.max(pause, (end - began) / share);
  }
}

function lostAnchor({ root }: Records, found: Anchor | undefined): string | undefined {
  if (!root || root.anchored <= (found?.epoch ?? 0)) return undefined;
  const said = `the store says that the HSM held one of epoch ${root.anchored}`;
  const lost = found ? `the HSM holds an older anchor (epoch ${found.epoch})` : 'the HSM holds no anchor';
  return `${lost}, and ${said}: the HSM was restored from a backup, or somebody with its PIN destroyed the anchor`;
}
