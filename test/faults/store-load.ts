// A mixed load on one key store that calls every PKCS#11 function of the workers and checks each answer.
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { HsmError, type Ciphertext, type KeyStore, type ObjectId } from '../../daemon/hsm/key-store.js';
import { importTarget } from '../../daemon/keys/import/wrapping.js';
import { keySpecs } from '../../daemon/keys/specs/table.js';
import { AES_256, newKey } from '../hsm/token.js';

const aad = Buffer.from('header and context');
const { SIGN_VERIFY, KEY_AGREEMENT } = keySpecs.ECC_NIST_P256.usages;
const { mechanism, conversion } = SIGN_VERIFY!.signing!.ECDSA_SHA_256!;
const symmetric = importTarget({ keySpec: 'SYMMETRIC_DEFAULT', keyUsage: 'ENCRYPT_DECRYPT' });
const peer = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const point = peer.publicKey.export({ type: 'spki', format: 'der' }).subarray(-65);

const digest = randomBytes(32);
/** Errors that are allowed while the HSM fails: nothing remains done, and the request may be repeated. */
const retryable = ['unavailable', 'timeout', 'overloaded', 'internal', 'no-session'];

interface Keys {
  readonly aes: ObjectId;
  readonly signing: ObjectId;
  readonly agreement: ObjectId;
  readonly sharedSecret: Buffer;
}

export class StoreLoad {
  /** Number of answers by code. */
  readonly answers = new Map<string, number>();
  /** Descriptions of wrong answers. */
  readonly findings: string[] = [];
  /** Further allowed codes, besides those that may be repeated. */
  alsoExpected: readonly string[] = [];
  readonly #messages: { readonly plaintext: Buffer; readonly message: Ciphertext }[] = [];
  #stopped = false;
  #lanes: Promise<unknown> = Promise.resolve();
  #next = 0;

  private constructor(
    private readonly store: KeyStore,
    private readonly keys: Keys,
  ) {}

  /** @param lanes number of callers, each with a pause after each request */
  static async start(store: KeyStore, lanes: number): Promise<StoreLoad> {
    const agreement = await newKey(store, KEY_AGREEMENT!.template);
    const keys = {
      aes: await newKey(store, AES_256),
      signing: await newKey(store, SIGN_VERIFY!.template),
      agreement,
      sharedSecret: await store.deriveSharedSecret(agreement, point),
    };
    const load = new StoreLoad(store, keys);
    load.#lanes = Promise.all(Array.from({ length: lanes }, () => load.#lane()));
    return load;
  }

  /** Number of answers with a result. */
  get done(): number {
    return this.answers.get('ok') ?? 0;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#lanes;
  }

  /** Tries each operation. @returns those that fail */
  async check(): Promise<string[]> {
    const outcomes = await Promise.allSettled(actions.map(([, act]) => act(this)));
    const failed = outcomes.flatMap((outcome, index) =>
      outcome.status === 'rejected' ? [`${actions[index]![0]}: ${String(outcome.reason)}`] : [],
    );
    for (const { plaintext, message } of this.#messages.splice(0)) {
      const decrypted = await this.decrypt(message).catch(String);
      if (typeof decrypted === 'string' || !decrypted.equals(plaintext))
        failed.push(`an acknowledged ciphertext does not decrypt: ${String(decrypted)}`);
    }
    return failed;
  }

  async #lane(): Promise<void> {
    while (!this.#stopped) {
      const [name, act] = actions[this.#next++ % actions.length]!;
      const began = performance.now();
      let code = 'ok';
      try {
        await act(this);
      } catch (error) {
        code = error instanceof HsmError ? error.code : 'no HsmError';
        if (!retryable.includes(code) && !this.alsoExpected.includes(code))
          this.findings.push(`${name}: ${String(error)}`);
      }
      this.answers.set(code, (this.answers.get(code) ?? 0) + 1);
      if (performance.now() - began > 60_000) this.findings.push(`${name} was answered late`);
      await sleep(5);
    }
  }

  get #key() {
    return { suite: 1, id: this.keys.aes } as const;
  }

  decrypt(message: Ciphertext): Promise<Buffer> {
    return this.store.decrypt(this.#key, aad, message);
  }

  async encryption(): Promise<void> {
    const plaintext = randomBytes(40);
    const message = await this.store.encrypt(this.#key, aad, plaintext);
    if (this.#messages.length < 200) this.#messages.push({ plaintext, message });
    expect('decrypt', (await this.decrypt(message)).equals(plaintext));
  }

  async badCiphertext(): Promise<void> {
    const message = { iv: randomBytes(12), ciphertext: randomBytes(40) };
    await this.decrypt(message).then(
      () => expect('a refusal', false),
      (error: unknown) => {
        if (!(error instanceof HsmError) || error.code !== 'invalid-ciphertext') throw error;
      },
    );
  }

  async signature(): Promise<void> {
    const { signing } = this.keys;
    const made = await this.store.sign(signing, mechanism, conversion, digest);
    expect('verify', await this.store.verify(signing, mechanism, conversion, digest, made));
    const key = createPublicKey({ key: await this.store.publicKey(signing), type: 'spki', format: 'der' });
    expect('a public key', key.asymmetricKeyType === 'ec');
  }

  async agreement(): Promise<void> {
    const secret = await this.store.deriveSharedSecret(this.keys.agreement, point);
    expect('the shared secret', secret.equals(this.keys.sharedSecret));
  }

  async newAndGone(): Promise<void> {
    const id = await newKey(this.store, AES_256);
    const key = { suite: 1, id } as const;
    const message = await this.store.encrypt(key, aad, digest);
    expect('decrypt', (await this.store.decrypt(key, aad, message)).equals(digest));
    await this.store.destroy(id);
    expect('none', !(await this.store.exists(id)));
  }

  async imported(): Promise<void> {
    const [id, material] = [randomBytes(16), randomBytes(32)];
    const { checkValue } = await this.store.importPlaintext(material, id, 'imported', symmetric);
    expect('a check value', checkValue.length > 0);
    await this.store.destroy(id);
  }

  async pair(): Promise<void> {
    const template = keySpecs.ECC_NIST_P256.dataKeyPair!;
    const { publicKey, iv, ciphertext } = await this.store.dataKeyPair(this.#key, aad, template);
    expect('a pair', publicKey.length > 0 && (await this.decrypt({ iv, ciphertext })).length > 0);
  }

  async random(): Promise<void> {
    expect('bytes', (await this.store.random(32)).length === 32);
  }
}

const actions: readonly (readonly [name: string, act: (load: StoreLoad) => Promise<void>])[] = [
  ['encrypt and decrypt', (load) => load.encryption()],
  ['decrypt what is no ciphertext', (load) => load.badCiphertext()],
  ['sign and verify', (load) => load.signature()],
  ['derive a shared secret', (load) => load.agreement()],
  ['random', (load) => load.random()],
  ['encrypt and decrypt', (load) => load.encryption()],
  ['make and destroy a key', (load) => load.newAndGone()],
  ['import and destroy a key', (load) => load.imported()],
  ['make a data key pair', (load) => load.pair()],
];

/** Checks a result that no fault may change. @throws Error if it is wrong */
function expect(what: string, holds: boolean): void {
  if (!holds) throw new Error(`wrong result: not ${what}`);
}
