// Starts workers one at a time, so that a wrong PIN is tried only once, and replaces lost ones with back-off.
import { cipherSuites } from '../../../proto/formats/ciphertext.js';
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { HsmError, type KeyStore, type KeyStoreState } from '../key-store.js';
import type { StoreTraits, TokenDescription } from '../token-description.js';
import type { StartSettings, TokenListing } from '../start-settings.js';
import { jobs } from '../jobs/table.js';
import type { KeyStoreStatistics } from '../statistics.js';
import type { KeyStoreConfig } from './config.js';
import type { LoginRefusal } from '../key-store-event.js';
import { isRefusal, refusalText } from './latch.js';
import { Pool } from './pool.js';
import { WorkerProcess, type Loss } from './worker-process.js';

const firstDelay = 50;
/** Short enough that a token which returns is usable within 2 s. */
const longestDelay = 1000;
/** Delay of a worker for which the token has no session; nobody waits for it. */
const noSessionDelay = 30_000;
/** Milliseconds without a loss after which the delays start again from the shortest. */
const calm = 10_000;
const lookAtLatchEvery = 500;
/**
 * A start that takes this many times as long as the longest one so far counts as hanging, because no other worker starts
 * meanwhile. The deadline is at least {@link shortestStartDeadline} milliseconds.
 */
const patienceWithStart = 10;
const shortestStartDeadline = 10_000;

const tokenListing = z.strictObject({
  objects: z.array(z.tuple([z.number(), z.string(), z.string()])),
  mechanisms: z.array(z.tuple([z.number(), z.number(), z.number()])),
  notices: z.array(z.string()),
});

/** Keeps the wanted number of workers of a key store running. */
export class Supervisor {
  readonly pool: Pool;
  readonly #wanted: number;
  #current: KeyStoreState = 'connecting';
  #refused = false;
  /** A refusal that is not on disk yet. No login happens until it is written and an operator has cleared it. */
  #unlatched: { readonly code: LoginRefusal; readonly reason: string } | undefined;
  #starting = false;
  #timer: NodeJS.Timeout | undefined;
  #delay = 0;
  #lastLoss = 0;
  #longestStart = 0;
  /** Time of performance.now() at which the next worker starts, if a timer is running. */
  #nextStart = 0;
  /** Largest number of workers that were logged in at the same time. */
  #mostReady = 0;
  #closing: Promise<void> | undefined;

  constructor(private readonly config: KeyStoreConfig) {
    this.#wanted = Math.min(
      config.workers ?? Math.max(2, availableParallelism()),
      config.mostWorkers ?? Infinity,
    );
    this.pool = new Pool(config, (worker, loss, unanswered) => this.#lost(worker, loss, unanswered));
  }

  /** Workers that should be there, that are logged in, and that have jobs now. */
  get workers(): KeyStore['workers'] {
    const { ready } = this.pool;
    const busy = ready.filter(({ inFlight }) => inFlight.length > 0).length;
    return { wanted: this.#wanted, ready: ready.length, busy };
  }

  /** State of the connection to the token. */
  get state(): KeyStoreState {
    return this.#current;
  }

  /** For metrics. */
  get statistics(): KeyStoreStatistics {
    const { counts, queued } = this.pool;
    return { counts, queued, isLatched: this.#refused };
  }

  /**
   * Starts the first worker; the others follow.
   * @returns the token as that worker found it
   * @throws HsmError that says what is wrong with module, token or PIN
   */
  async connect(): Promise<TokenDescription> {
    try {
      const listing = tokenListing.parse(await this.#startOne(true));
      for (const notice of listing.notices) this.config.onEvent?.({ type: 'notice', notice });
      const token = describe(listing, this.#traits());
      this.#maintain();
      return token;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  #traits(): StoreTraits {
    const { suite = cipherSuites.AES_256_GCM, quirks, lacks = [], multiRegion = { lacks: [] } } = this.config;
    const { oaepSha256InModule = false, encapsulates = false } = quirks ?? {};
    return { suite, oaepSha256InModule, encapsulates, lacks, multiRegion };
  }

  /** Answers the jobs that are queued, then ends the workers. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#enter('closed');
    await this.pool.drain(new HsmError('disconnected', `Key store "${this.config.name}" is closed.`));
    await Promise.all(this.pool.workers.map((worker) => worker.end()));
  }

  /** Schedules the next start if workers are missing. @param delay milliseconds until then */
  #maintain(delay = this.#delay): void {
    if (this.#current === 'closed' || this.#starting || this.pool.readyWorkers >= this.#wanted) return;
    clearTimeout(this.#timer);
    const wait = this.#refused ? lookAtLatchEvery : delay;
    this.#nextStart = performance.now() + wait;
    this.#timer = setTimeout(() => {
      this.#startNext().catch((error: unknown) => this.#startFailed(error));
    }, wait);
  }

  /** A start failed unexpectedly: another one is scheduled. */
  #startFailed(cause: unknown): void {
    this.#starting = false;
    this.#backOff();
    this.#maintain();
    const error = new HsmError('internal', 'An HSM worker could not be started.', { cause });
    this.config.onEvent?.({ type: 'start-failed', error, retryIn: this.#delay });
  }

  async #startNext(): Promise<void> {
    this.#timer = undefined;
    if (this.#unlatched) this.#writeLatch();
    if (this.#refused && !this.#unlatched && !this.config.latch.isSet()) {
      this.#refused = false;
      this.pool.refuse(undefined);
      this.#update();
    }
    if (this.#refused) {
      this.#maintain();
      return;
    }
    // The delay applies after a failed start only.
    let delay = 0;
    this.#starting = true;
    try {
      await this.#startOne(false);
    } catch (error) {
      this.#backOff();
      const isSpare = (error as HsmError).code === 'no-session' && this.pool.readyWorkers >= this.#mostReady;
      delay = isSpare ? noSessionDelay : this.#delay;
      this.config.onEvent?.({ type: 'start-failed', error: error as HsmError, retryIn: delay });
    }
    this.#starting = false;
    this.#maintain(delay);
  }

  /** Starts a worker. @returns its listing of the token, if it was asked to describe it */
  async #startOne(describeToken: boolean): Promise<TokenListing | null> {
    const {
      name,
      library,
      token,
      initialize,
      quirks = {},
      tokenFiles,
      sparesTries = false,
      sessionCopies = 16_384,
    } = this.config;
    if (this.#unlatched || this.config.latch.isSet()) {
      this.#refused = true;
      this.#update();
      throw this.#refusal(this.#refusedHow());
    }
    const pin = await this.#readPin();
    if (this.#current === 'closed') throw new HsmError('disconnected', `Key store "${name}" is closed.`);
    const settings: StartSettings = {
      library,
      token,
      initialize,
      quirks,
      tokenFiles,
      sparesTries,
      sessionCopies,
      describeToken,
    };
    const keysMade = this.pool.keysMade;
    const worker = this.#spawn();
    const began = performance.now();
    try {
      const started = this.pool.submitTo(worker, jobs.start, { settings, pin });
      pin.fill(0);
      const { listing } = await started;
      this.pool.workerReady(worker, keysMade);
      this.#started(performance.now() - began);
      this.config.onEvent?.({ type: 'worker-ready', pid: worker.pid });
      this.#update();
      return listing;
    } catch (error) {
      const refusal = error instanceof HsmError && isRefusal(error.code) ? error.code : undefined;
      if (refusal) this.#latch(refusal, error as HsmError);
      await worker.end();
      throw refusal ? this.#refusal(refusal, error as HsmError) : error;
    }
  }

  #started(took: number): void {
    this.#mostReady = Math.max(this.#mostReady, this.pool.readyWorkers);
    this.#longestStart = Math.max(this.#longestStart, took);
    const patience = Math.max(patienceWithStart * this.#longestStart, shortestStartDeadline);
    this.pool.limitStart(Math.min(patience, jobs.start.deadline));
  }

  #spawn(): WorkerProcess {
    try {
      const worker = new WorkerProcess(this.config, this.pool.costs, this.pool);
      this.pool.workers.push(worker);
      return worker;
    } catch (error) {
      throw new HsmError(
        'unavailable',
        `The process of an HSM worker cannot be started: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    }
  }

  async #readPin(): Promise<Buffer> {
    try {
      return await this.config.readPin();
    } catch (error) {
      throw new HsmError(
        'unavailable',
        `The PIN of key store "${this.config.name}" cannot be read: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  #latch(code: LoginRefusal, { message }: HsmError): void {
    this.#refused = true;
    this.#unlatched = { code, reason: message };
    this.#writeLatch();
    this.config.onEvent?.({ type: 'login-refused', refusal: code, reason: message });
    this.#update();
  }

  // A write that fails (no disk space, no file descriptor) is retried; a login with that PIN must not be.
  #writeLatch(): void {
    if (!this.#unlatched) return;
    const { code, reason } = this.#unlatched;
    try {
      this.config.latch.set(code, reason);
      this.#unlatched = undefined;
    } catch (error) {
      const message = `The file that blocks further logins cannot be written: ${(error as Error).message}`;
      const failure = new HsmError('internal', message, { cause: error });
      this.config.onEvent?.({ type: 'start-failed', error: failure, retryIn: lookAtLatchEvery });
    }
  }

  #refusedHow(): LoginRefusal {
    return this.#unlatched?.code ?? this.config.latch.refusal();
  }

  #lost(worker: WorkerProcess, { reason }: Loss, unanswered: number): void {
    // A failed start is handled by its caller; on close all workers end.
    if (!worker.ready || this.#current === 'closed') return;
    this.pool.counts.workersLost += 1;
    this.config.onEvent?.({ type: 'worker-lost', pid: worker.pid, reason, unanswered });
    const now = performance.now();
    if (now - this.#lastLoss > calm) this.#delay = 0;
    this.#lastLoss = now;
    this.#update();
    // Workers that are lost together, as by a reset of the device, delay the next start only once.
    if (this.#timer !== undefined && this.#nextStart - now < longestDelay) return;
    this.#backOff();
    this.#maintain();
  }

  #backOff(): void {
    this.#delay = Math.min(Math.max(2 * this.#delay, firstDelay), longestDelay);
  }

  // Logged-in workers go on working after the login of another one was refused.
  #update(): void {
    if (this.pool.readyWorkers > 0) this.#enter('connected');
    else if (this.#refused) {
      this.#enter('login-refused');
      this.pool.refuse(this.#refusal(this.#refusedHow()));
    } else this.#enter('disconnected');
  }

  #enter(state: KeyStoreState): void {
    if (this.#current === state || this.#current === 'closed') return;
    this.#current = state;
    this.config.onEvent?.({ type: 'state', state });
  }

  /** @param cause the token's error at the refused login */
  #refusal(code: LoginRefusal, cause?: HsmError): HsmError {
    return new HsmError(code, refusalText(this.config.name, cause), { cause });
  }
}

function describe(
  { objects, mechanisms }: z.output<typeof tokenListing>,
  traits: StoreTraits,
): TokenDescription {
  return {
    objects: objects.map(([objectClass, id, label]) => ({
      class: objectClass,
      id: Buffer.from(id, 'hex'),
      label,
    })),
    mechanisms: new Map(
      mechanisms.map(([type, minKeySize, maxKeySize]) => [type, { minKeySize, maxKeySize }]),
    ),
    traits,
  };
}
