// An attacker who can write to the disk while the daemon is stopped: takes copies of the metadata store, puts
// them back, and changes single records.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKeyStore } from '../../daemon/app/opening/open-key-store.js';
import { loadConfig } from '../../daemon/config/load.js';
import { instanceKey, internalObjectId, readInstance } from '../../daemon/app/opening/instance.js';
import { hmacSha256 } from '../../daemon/keys/specs/table.js';
import { createLog } from '../../daemon/observability/log.js';
import { LevelStore } from '../../daemon/store/leveldb/leveldb.js';
import type { Delete, Put } from '../../daemon/store/store.js';
import { TestDaemon } from './daemon.js';

/** MAC and version, which come before a record's text. */
const headLength = 32 + 8;

/** Copies of one stopped daemon's store. */
export class StoreCopies {
  readonly #folder = mkdtempSync(join(tmpdir(), 'kh-copies-'));

  constructor(private readonly daemon: TestDaemon) {}

  take(name: string): void {
    cpSync(this.#metadata, join(this.#folder, name), { recursive: true });
  }

  putBack(name: string): void {
    rmSync(this.#metadata, { recursive: true });
    cpSync(join(this.#folder, name), this.#metadata, { recursive: true });
  }

  /** Every stored value, by the store's keys. */
  async values(): Promise<Map<string, Buffer>> {
    return this.#open(async (store) => {
      const values = new Map<string, Buffer>();
      for await (const { key, value } of store.range({ from: '', to: '\uffff' })) values.set(key, value);
      return values;
    });
  }

  /** The JSON of a record. */
  async record(name: string): Promise<unknown> {
    const value = (await this.values()).get(`record/${name}`);
    return value && (JSON.parse(value.toString('utf8', headLength)) as unknown);
  }

  /** Changes stored values. @param changes values by key; undefined deletes */
  async write(changes: ReadonlyMap<string, Buffer | undefined>): Promise<void> {
    const batch = [...changes].map(([key, value]): Put | Delete =>
      value ? { type: 'put', key, value } : { type: 'delete', key },
    );
    await this.#open((store) => store.batch(batch));
  }

  /** Turns the store into one of a Keyhold without roots, including the MAC of its instance record. */
  async makeLegacy(): Promise<void> {
    const instance = await this.#open(async (store) => (await readInstance(store))!);
    const text = JSON.stringify({ ...instance, format: 1 });
    await this.write(
      new Map([
        [instanceKey, Buffer.from(text)],
        ['record/instance', await this.authentic('instance', text)],
        ['record/root', undefined],
      ]),
    );
  }

  /** The stored value of the first version of a record: MAC, version and text. The HSM makes the MAC. */
  async authentic(name: string, text: string): Promise<Buffer> {
    const { home } = this.daemon;
    const instance = await this.#open(async (store) => (await readInstance(store))!);
    const version = Buffer.alloc(8);
    version.writeBigUInt64BE(1n);
    const parts = [Buffer.from(instance.storeId), Buffer.from(name), version, Buffer.from(text)];
    const prefixed = parts.flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(part.length);
      return [length, part];
    });
    const keyStore = await openKeyStore(home, loadConfig(home), createLog('silent'), 1);
    try {
      const key = internalObjectId(instance, 'record-mac');
      const mac = await keyStore.sign(key, hmacSha256, 'none', Buffer.concat(prefixed));
      return Buffer.concat([mac, version, Buffer.from(text)]);
    } finally {
      await keyStore.close();
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #metadata(): string {
    return join(this.daemon.home, 'metadata');
  }

  async #open<T>(use: (store: LevelStore) => Promise<T>): Promise<T> {
    const store = await LevelStore.open(this.#metadata);
    try {
      return await use(store);
    } finally {
      await store.close();
    }
  }
}

/** Creates a home whose daemon does not run yet, with copies of its store and a function for `keyhold recover store`. */
export async function beginWithCopies(t: { teardown(action: () => unknown): unknown }) {
  const daemon = await TestDaemon.initialise();
  const copies = new StoreCopies(daemon);
  t.teardown(async () => {
    copies.remove();
    await daemon.remove();
  });
  const recover = (...args: string[]) => daemon.cli(['recover', 'store', '--yes', ...args]);
  return { daemon, copies, recover };
}
