// The key store of the daemon: one pool of workers on one token.
import type { LinkGeneration, MaterialStatement, SentMaterial } from '../link-messages.js';
import { z } from 'zod';
import {
  HsmError,
  type Attributes,
  type CipherKey,
  type Ciphertext,
  type Conversion,
  type DataKeyPair,
  type Encapsulated,
  type ImportedMaterial,
  type ImportTarget,
  type InspectedObject,
  type KeyStore,
  type KeyStoreState,
  type KeyTemplate,
  type Mechanism,
  type ObjectId,
  type Wrapping,
} from '../key-store.js';
import type { MechanismInfo, StoreTraits, TokenDescription, TokenObject } from '../token-description.js';
import { jobs } from '../jobs/table.js';
import { linkObjectId, linkRoles } from '../link-objects.js';
import { materialStatement, verifyLinkSignature } from '../link-statements.js';
import type { KeyStoreStatistics } from '../statistics.js';
import type { KeyStoreConfig } from './config.js';
import type { Pool } from './pool.js';
import { Supervisor } from './supervisor.js';
import type { WorkerProcess } from './worker-process.js';

/**
 * Connects to a token. Resolves when the first worker is logged in and has read the token's objects.
 * @param signal aborts the attempt and ends its worker, even if that hangs in the module
 * @throws HsmError that says what is wrong with module, token or PIN; 'disconnected' after the signal
 */
export async function connect(config: KeyStoreConfig, signal?: AbortSignal): Promise<KeyStore> {
  const supervisor = new Supervisor(config);
  // The attempt itself reports the failure.
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

class PoolKeyStore implements KeyStore {
  readonly objects: readonly TokenObject[];
  readonly mechanisms: ReadonlyMap<number, MechanismInfo>;
  readonly traits: StoreTraits;
  readonly #pool: Pool;

  constructor(
    readonly name: string,
    private readonly supervisor: Supervisor,
    { objects, mechanisms, traits }: TokenDescription,
  ) {
    this.objects = objects;
    this.mechanisms = mechanisms;
    this.traits = traits;
    this.#pool = supervisor.pool;
  }

  get state(): KeyStoreState {
    return this.supervisor.state;
  }

  get statistics(): KeyStoreStatistics {
    return this.supervisor.statistics;
  }

  get hangs(): boolean {
    return this.#pool.hangs;
  }

  get workers(): KeyStore['workers'] {
    return this.supervisor.workers;
  }

  generate(id: ObjectId, label: string, template: KeyTemplate): Promise<void> {
    const job = template.publicAttributes ? jobs.generateKeyPair : jobs.generateKey;
    return this.#pool.submit(job, { id, label, template }, (_, maker) => this.#pool.keyMade(id, maker));
  }

  importWrapped(
    wrappingKey: ObjectId,
    wrapping: Wrapping,
    wrapped: Buffer,
    id: ObjectId,
    label: string,
    target: ImportTarget,
  ): Promise<ImportedMaterial> {
    const values = { wrappingKey, wrapping, wrapped, id, label, target };
    return this.#pool.submit(jobs.importWrapped, values, (made, maker) => {
      this.#pool.keyMade(id, maker);
      return made;
    });
  }

  importPlaintext(
    material: Buffer,
    id: ObjectId,
    label: string,
    target: ImportTarget,
  ): Promise<ImportedMaterial> {
    return this.#pool.submit(jobs.importPlaintext, { material, id, label, target }, (made, maker) => {
      this.#pool.keyMade(id, maker);
      return made;
    });
  }

  wrapForLink(id: ObjectId, target: ImportTarget, statement: MaterialStatement): Promise<SentMaterial> {
    const [sendKey, signingKey] = [linkObjectId(statement, 'send'), linkObjectId(statement, 'signing')];
    return this.#pool.submit(jobs.wrapForLink, { id, sendKey, signingKey, target, statement }, asItIs);
  }

  async unwrapFromLink(
    { wrapped, checkValue, signature }: SentMaterial,
    peerSigningKey: Buffer,
    statement: MaterialStatement,
    id: ObjectId,
    label: string,
    target: ImportTarget,
  ): Promise<void> {
    const signed = materialStatement(statement, { wrapped, checkValue });
    verifyLinkSignature(peerSigningKey, signed, signature);
    const receiveKey = linkObjectId(statement, 'receive');
    const values = { receiveKey, wrapped, checkValue, id, label, target };
    await this.#pool.submit(jobs.unwrapFromLink, values, (_, maker) => this.#pool.keyMade(id, maker));
  }

  proveMaterial(id: ObjectId, target: ImportTarget, challenge: Buffer): Promise<Buffer> {
    return this.#pool.submit(jobs.proveMaterial, { id, target, challenge }, ({ proof }) => proof);
  }

  async refreshLink(generation: LinkGeneration): Promise<void> {
    for (const role of linkRoles) await this.refreshObject(linkObjectId(generation, role));
  }

  destroy(id: ObjectId): Promise<void> {
    return this.#pool.whileBeingDestroyed(id, async () => {
      const forget = (worker: WorkerProcess) =>
        this.#pool
          .submitTo(worker, jobs.forgetKey, { id })
          .catch((error: HsmError) => worker.kill({ reason: error.message, timedOut: false }));
      // A worker that is starting has no copies yet; this becomes its second job.
      for (const worker of this.#pool.workers) if (!worker.ready) forget(worker).catch(() => undefined);
      await Promise.all(this.#pool.ready.map(forget));
      await this.#pool.submit(jobs.destroy, { id }, nothing);
    });
  }

  publicKey(id: ObjectId): Promise<Buffer> {
    return this.#pool.submit(jobs.publicKey, { id }, ({ publicKey }) => publicKey);
  }

  exists(id: ObjectId): Promise<boolean> {
    return this.#pool.submit(jobs.exists, { id }, ({ exists }) => exists);
  }

  async inspect(match: Attributes, types: readonly number[]): Promise<readonly InspectedObject[]> {
    const found = await this.#pool.submit(jobs.inspect, { match, types }, inspected);
    if (found.length > 0) return found;
    // The job may have gone to the writer, from which some modules hide objects of other programs.
    const all = this.#pool.ready.map((worker) =>
      this.#pool
        .submitTo(worker, jobs.inspect, { match, types })
        .then(inspected, (): InspectedObject[] => []),
    );
    return (await Promise.all(all)).find((each) => each.length > 0) ?? [];
  }

  async refreshObject(id: ObjectId): Promise<void> {
    const reason = 'it does not see an object that another program made';
    const refresh = async (worker: WorkerProcess) => {
      const sees = await this.#pool.submitTo(worker, jobs.exists, { id }).then(
        ({ exists }) => exists,
        () => false,
      );
      if (!sees) worker.kill({ reason, timedOut: false });
    };
    for (const worker of this.#pool.workers) if (!worker.ready) refresh(worker).catch(() => undefined);
    await Promise.all(this.#pool.ready.map(refresh));
  }

  random(length: number): Promise<Buffer> {
    return this.#pool.submit(jobs.random, { length }, ({ bytes }) => bytes);
  }

  encrypt({ id, suite }: CipherKey, aad: Buffer, plaintext: Buffer): Promise<Ciphertext> {
    return this.#pool.submit(jobs.encrypt, { id, suite, aad, plaintext }, asItIs);
  }

  decrypt({ id, suite }: CipherKey, aad: Buffer, { iv, ciphertext }: Ciphertext): Promise<Buffer> {
    return this.#pool.submit(jobs.decrypt, { id, suite, aad, iv, ciphertext }, plaintextOf);
  }

  reEncrypt(
    { id, suite }: CipherKey,
    aad: Buffer,
    { iv, ciphertext }: Ciphertext,
    { id: destinationId, suite: destinationSuite }: CipherKey,
    destinationAad: Buffer,
  ): Promise<Ciphertext> {
    const source = { id, suite, aad, iv, ciphertext };
    const values = { ...source, destinationId, destinationSuite, destinationAad };
    return this.#pool.submit(jobs.reEncrypt, values, asItIs);
  }

  dataKey(
    { id, suite }: CipherKey,
    aad: Buffer,
    length: number,
  ): Promise<Ciphertext & { readonly plaintext: Buffer }> {
    return this.#pool.submit(jobs.dataKey, { id, suite, aad, length }, asItIs);
  }

  dataKeyWithoutPlaintext({ id, suite }: CipherKey, aad: Buffer, length: number): Promise<Ciphertext> {
    return this.#pool.submit(jobs.dataKeyWithoutPlaintext, { id, suite, aad, length }, asItIs);
  }

  dataKeyPair(
    { id, suite }: CipherKey,
    aad: Buffer,
    template: KeyTemplate,
  ): Promise<DataKeyPair & { readonly privateKey: Buffer }> {
    return this.#pool.submit(jobs.dataKeyPair, { id, suite, aad, template }, asItIs);
  }

  dataKeyPairWithoutPlaintext(
    { id, suite }: CipherKey,
    aad: Buffer,
    template: KeyTemplate,
  ): Promise<DataKeyPair> {
    return this.#pool.submit(jobs.dataKeyPairWithoutPlaintext, { id, suite, aad, template }, asItIs);
  }

  sign(id: ObjectId, mechanism: Mechanism, conversion: Conversion, data: Buffer): Promise<Buffer> {
    return this.#pool.submit(jobs.sign, { id, mechanism, conversion, data }, ({ signature }) => signature);
  }

  verify(
    id: ObjectId,
    mechanism: Mechanism,
    conversion: Conversion,
    data: Buffer,
    signature: Buffer,
  ): Promise<boolean> {
    const values = { id, mechanism, conversion, data, signature };
    return this.#pool.submit(jobs.verify, values, ({ isValid }) => isValid);
  }

  deriveSharedSecret(id: ObjectId, point: Buffer): Promise<Buffer> {
    return this.#pool.submit(jobs.deriveSharedSecret, { id, point }, ({ secret }) => secret);
  }

  encapsulate(id: ObjectId, mechanism: Mechanism): Promise<Encapsulated> {
    return this.#pool.submit(jobs.encapsulate, { id, mechanism }, asItIs);
  }

  decapsulate(id: ObjectId, mechanism: Mechanism, ciphertext: Buffer): Promise<Buffer> {
    return this.#pool.submit(jobs.decapsulate, { id, mechanism, ciphertext }, ({ secret }) => secret);
  }

  readData(label: string): Promise<readonly Buffer[]> {
    return this.#pool.submit(jobs.readData, { label }, ({ contents }) => contents);
  }

  replaceData(label: string, value: Buffer): Promise<void> {
    return this.#pool.submit(jobs.replaceData, { label, value }, nothing);
  }

  close(): Promise<void> {
    return this.supervisor.close();
  }
}

const nothing = (): void => undefined;
const asItIs = <T>(result: T): T => result;
const plaintextOf = ({ plaintext }: { readonly plaintext: Buffer }): Buffer => plaintext;
// Checked, because a worker shares its memory with a vendor's module.
const inspectedObjects = z.array(z.array(z.tuple([z.number(), z.string()])));
const inspected = ({ objects }: { readonly objects: unknown }): InspectedObject[] =>
  inspectedObjects
    .parse(objects)
    .map((values) => new Map(values.map(([type, hex]) => [type, Buffer.from(hex, 'hex')])));
