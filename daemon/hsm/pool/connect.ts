// The KeyStore that the rest of the daemon sees.
import { z } from 'zod';
import {
  HsmError,
  type Attributes,
  type CipherKey,
  type Ciphertext,
  type Conversion,
  type DataKeyPair,
  type ImportedMaterial,
  type ImportTarget,
  type InspectedObject,
  type KeyStore,
  type KeyStoreState,
  type KeyTemplate,
  type Mechanism,
  type MechanismInfo,
  type ObjectId,
  type StoreTraits,
  type TokenDescription,
  type TokenObject,
  type Wrapping,
} from '../key-store.js';
import { cipherCodes, kinds } from '../messages.js';
import type { KeyStoreConfig } from './config.js';
import type { Pool } from './pool.js';
import { Supervisor } from './supervisor.js';
import type { WorkerProcess } from './worker-process.js';

/**
 * Connects to a token. Resolves when the first worker is logged in and has read the token's objects.
 * @param signal ends an attempt that is under way, with its worker, also where that hangs in the module
 * @throws HsmError that says what is wrong with module, token or PIN; 'disconnected' after the signal
 */
export async function connect(config: KeyStoreConfig, signal?: AbortSignal): Promise<KeyStore> {
  const supervisor = new Supervisor(config);
  // The attempt itself says that it failed.
  const abandon = () => {
    supervisor.close().catch(() => undefined);
  };
  signal?.addEventListener('abort', abandon);
  try {
    return new PoolKeyStore(config.name, supervisor, await supervisor.connect());
  } finally {
    signal?.removeEventListener('abort', abandon);
  }
}

const MOST_RANDOM = 1024;
const SUITES = Object.fromEntries(
  Object.entries(cipherCodes).map(([suite, code]) => [suite, Buffer.of(code)]),
) as Readonly<Record<CipherKey['suite'], Buffer>>;
const CONVERSIONS: Readonly<Record<Conversion, Buffer>> = {
  none: Buffer.from('none'),
  'ecdsa-der-32': Buffer.from('ecdsa-der-32'),
  'ecdsa-der-48': Buffer.from('ecdsa-der-48'),
  'ecdsa-der-66': Buffer.from('ecdsa-der-66'),
};

class PoolKeyStore implements KeyStore {
  readonly objects: readonly TokenObject[];
  readonly mechanisms: ReadonlyMap<number, MechanismInfo>;
  readonly traits: StoreTraits;
  private readonly pool: Pool;
  // Mechanisms and templates are entries of a table that lives as long as the daemon.
  private readonly encoded = new WeakMap<Mechanism | KeyTemplate | Wrapping | ImportTarget, Buffer>();

  constructor(
    readonly name: string,
    private readonly supervisor: Supervisor,
    { objects, mechanisms, traits }: TokenDescription,
  ) {
    this.objects = objects;
    this.mechanisms = mechanisms;
    this.traits = traits;
    this.pool = supervisor.pool;
  }

  get state(): KeyStoreState {
    return this.supervisor.state;
  }

  get hangs(): boolean {
    return this.pool.hangs;
  }

  generate(id: ObjectId, label: string, template: KeyTemplate): Promise<void> {
    return this.pool.submit(
      template.publicAttributes ? kinds.generateKeyPair : kinds.generateKey,
      [id, Buffer.from(label), Buffer.from(JSON.stringify(template))],
      (_, maker) => this.pool.keyMade(id, maker),
    );
  }

  importWrapped(
    wrappingKey: ObjectId,
    wrapping: Wrapping,
    wrapped: Buffer,
    id: ObjectId,
    label: string,
    target: ImportTarget,
  ): Promise<ImportedMaterial> {
    return this.pool.submit(
      kinds.importWrapped,
      [wrappingKey, this.encode(wrapping), wrapped, id, Buffer.from(label), this.encode(target)],
      (parts, maker) => this.imported(id, parts, maker),
    );
  }

  importPlaintext(
    material: Buffer,
    id: ObjectId,
    label: string,
    target: ImportTarget,
  ): Promise<ImportedMaterial> {
    return this.pool.submit(
      kinds.importPlaintext,
      [material, id, Buffer.from(label), this.encode(target)],
      (parts, maker) => this.imported(id, parts, maker),
    );
  }

  destroy(id: ObjectId): Promise<void> {
    return this.pool.whileBeingDestroyed(id, async () => {
      const forget = (worker: WorkerProcess) =>
        this.pool
          .submitTo(worker, kinds.forget, [id])
          .catch((error: HsmError) => worker.kill({ reason: error.message, timedOut: false }));
      // One that starts has no copies yet, and does it before anything else.
      for (const worker of this.pool.workers) if (!worker.ready) forget(worker).catch(() => undefined);
      await Promise.all(this.pool.ready.map(forget));
      await this.pool.submit(kinds.destroy, [id], nothing);
    });
  }

  publicKey(id: ObjectId): Promise<Buffer> {
    return this.pool.submit(kinds.publicKey, [id], first);
  }

  exists(id: ObjectId): Promise<boolean> {
    return this.pool.submit(kinds.exists, [id], isTrue);
  }

  async inspect(match: Attributes, types: readonly number[]): Promise<readonly InspectedObject[]> {
    const parts = [match, types].map((part) => Buffer.from(JSON.stringify(part)));
    const found = await this.pool.submit(kinds.inspect, parts, inspected);
    if (found.length > 0) return found;
    // That may have been the worker that writes, which some modules make blind to what other programs made.
    const all = this.pool.ready.map((worker) =>
      this.pool.submitTo(worker, kinds.inspect, parts).then(inspected, (): InspectedObject[] => []),
    );
    return (await Promise.all(all)).find((each) => each.length > 0) ?? [];
  }

  async meet(id: ObjectId): Promise<void> {
    const reason = 'it does not see an object that another program made';
    const meets = async (worker: WorkerProcess) => {
      const sees = await this.pool.submitTo(worker, kinds.exists, [id]).then(isTrue, () => false);
      if (!sees) worker.kill({ reason, timedOut: false });
    };
    for (const worker of this.pool.workers) if (!worker.ready) meets(worker).catch(() => undefined);
    await Promise.all(this.pool.ready.map(meets));
  }

  async random(length: number): Promise<Buffer> {
    return this.pool.submit(kinds.random, [lengthPart(length)], first);
  }

  encrypt({ id, suite }: CipherKey, aad: Buffer, plaintext: Buffer): Promise<Ciphertext> {
    return this.pool.submit(kinds.encrypt, [id, SUITES[suite], aad, plaintext], ciphertext);
  }

  decrypt({ id, suite }: CipherKey, aad: Buffer, message: Ciphertext): Promise<Buffer> {
    return this.pool.submit(kinds.decrypt, [id, SUITES[suite], aad, message.iv, message.ciphertext], first);
  }

  reEncrypt(
    source: CipherKey,
    sourceAad: Buffer,
    message: Ciphertext,
    destination: CipherKey,
    destinationAad: Buffer,
  ): Promise<Ciphertext> {
    return this.pool.submit(
      kinds.reEncrypt,
      [
        source.id,
        SUITES[source.suite],
        sourceAad,
        message.iv,
        message.ciphertext,
        destination.id,
        SUITES[destination.suite],
        destinationAad,
      ],
      ciphertext,
    );
  }

  async dataKey(
    { id, suite }: CipherKey,
    aad: Buffer,
    length: number,
  ): Promise<Ciphertext & { readonly plaintext: Buffer }> {
    return this.pool.submit(
      kinds.dataKey,
      [id, SUITES[suite], aad, lengthPart(length)],
      ciphertextAndPlaintext,
    );
  }

  async dataKeyWithoutPlaintext({ id, suite }: CipherKey, aad: Buffer, length: number): Promise<Ciphertext> {
    return this.pool.submit(
      kinds.dataKeyWithoutPlaintext,
      [id, SUITES[suite], aad, lengthPart(length)],
      ciphertext,
    );
  }

  dataKeyPair(
    { id, suite }: CipherKey,
    aad: Buffer,
    template: KeyTemplate,
  ): Promise<DataKeyPair & { readonly privateKey: Buffer }> {
    return this.pool.submit(
      kinds.dataKeyPair,
      [id, SUITES[suite], aad, this.encode(template)],
      (parts): DataKeyPair & { readonly privateKey: Buffer } => ({
        ...keyPair(parts),
        privateKey: part(parts, 3),
      }),
    );
  }

  dataKeyPairWithoutPlaintext(
    { id, suite }: CipherKey,
    aad: Buffer,
    template: KeyTemplate,
  ): Promise<DataKeyPair> {
    return this.pool.submit(
      kinds.dataKeyPairWithoutPlaintext,
      [id, SUITES[suite], aad, this.encode(template)],
      keyPair,
    );
  }

  sign(id: ObjectId, mechanism: Mechanism, conversion: Conversion, data: Buffer): Promise<Buffer> {
    return this.pool.submit(kinds.sign, [id, this.encode(mechanism), CONVERSIONS[conversion], data], first);
  }

  verify(
    id: ObjectId,
    mechanism: Mechanism,
    conversion: Conversion,
    data: Buffer,
    signature: Buffer,
  ): Promise<boolean> {
    return this.pool.submit(
      kinds.verify,
      [id, this.encode(mechanism), CONVERSIONS[conversion], data, signature],
      isTrue,
    );
  }

  deriveSharedSecret(id: ObjectId, point: Buffer): Promise<Buffer> {
    return this.pool.submit(kinds.deriveSharedSecret, [id, point], first);
  }

  readData(label: string): Promise<readonly Buffer[]> {
    return this.pool.submit(kinds.readData, [Buffer.from(label)], (parts) => parts);
  }

  replaceData(label: string, value: Buffer): Promise<void> {
    return this.pool.submit(kinds.replaceData, [Buffer.from(label), value], nothing);
  }

  close(): Promise<void> {
    return this.supervisor.close();
  }

  private imported(id: ObjectId, parts: Buffer[], maker: WorkerProcess): ImportedMaterial {
    this.pool.keyMade(id, maker);
    return { checkValue: part(parts, 0), leftHsm: part(parts, 1)[0] === 1 };
  }

  private encode(entry: Mechanism | KeyTemplate | Wrapping | ImportTarget): Buffer {
    let json = this.encoded.get(entry);
    if (json === undefined) {
      json = Buffer.from(JSON.stringify(entry));
      this.encoded.set(entry, json);
    }
    return json;
  }
}

function lengthPart(length: number): Buffer {
  if (!Number.isInteger(length) || length < 1 || length > MOST_RANDOM)
    throw new HsmError('internal', `${length} random bytes, not 1 to ${MOST_RANDOM}`);
  const part = Buffer.alloc(4);
  part.writeUInt32LE(length);
  return part;
}

function part(parts: Buffer[], index: number): Buffer {
  const found = parts[index];
  if (found === undefined) throw new HsmError('internal', 'The HSM worker’s answer lacks a part');
  return found;
}

const nothing = (): void => undefined;
const first = (parts: Buffer[]): Buffer => part(parts, 0);
const isTrue = (parts: Buffer[]): boolean => first(parts)[0] === 1;
const ciphertext = (parts: Buffer[]): Ciphertext => ({ iv: part(parts, 0), ciphertext: part(parts, 1) });
const ciphertextAndPlaintext = (parts: Buffer[]): Ciphertext & { readonly plaintext: Buffer } => ({
  iv: part(parts, 0),
  ciphertext: part(parts, 1),
  plaintext: part(parts, 2),
});
const inspectedObjects = z.array(z.array(z.tuple([z.number(), z.string()])));
const inspected = (parts: Buffer[]): InspectedObject[] =>
  inspectedObjects
    .parse(JSON.parse(first(parts).toString()))
    .map((values) => new Map(values.map(([type, hex]) => [type, Buffer.from(hex, 'hex')])));
const keyPair = (parts: Buffer[]): DataKeyPair => ({ ...ciphertext(parts), publicKey: part(parts, 2) });
