// Runs the background key lifecycle by date, and writes state that is kept in memory at regular intervals.
import type { Keyring, LastUsage } from '../keys/index.js';
import type { Logger } from '../observability/log.js';
import type { KeyLifecycle } from './key-lifecycle.js';
import { DueIndex, type DueTimes } from './due-index.js';
import type { TrustedClock } from './trusted-clock.js';

/** Milliseconds between two ticks. */
const tickInterval = 1_000;
/** Ticks between two writes of keys' last usage, which may be a minute old at most. */
const ticksPerFlush = 20;
const ticksPerHeartbeat = 60;
/** Ticks after which a failed action is tried again. */
const ticksBeforeRetry = 60;

/** Seconds by which a period may start in the future. */
const clockTolerance = 60;

type Act =
  'deleteKey' | 'rotateKey' | 'correctPeriods' | 'expireMaterial' | 'deleteWrappingKey' | 'finishDestruction';

/** Performs an action. @param now epoch seconds */
type Perform = (name: string, now: number) => Promise<void>;

/** The timer of the background key lifecycle. */
export class Scheduler {
  readonly #agenda: DueIndex;
  /** The tick before which an action is not tried again, by action and name. */
  readonly #retries = new Map<string, number>();
  /** Number of deletions that wait for a custom key store, by its ID. */
  readonly #waiting = new Map<string, number>();
  #ticks = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(
    keyring: Keyring,
    private readonly acts: Readonly<Record<Act, Perform>> & Pick<KeyLifecycle, 'awaitedStore'>,
    private readonly lastUsage: LastUsage,
    private readonly clock: TrustedClock,
    private readonly log: Logger,
  ) {
    this.#agenda = new DueIndex(keyring);
  }

  /** Starts ticking. */
  start(): void {
    this.#running = this.#tick()
      .catch((error: unknown) => this.log.error({ err: error }, 'a run of the scheduler failed'))
      .then(() => {
        if (!this.#stopped) this.#timer = setTimeout(() => this.start(), tickInterval);
      });
  }

  /** Waits for the present tick, and writes what is only in memory. @throws StoreError */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
    await this.lastUsage.flush();
    await this.clock.heartbeat();
  }

  /** The due dates, for metrics. */
  get due(): Pick<DueIndex, 'deletions' | 'rotations' | 'expiries'> {
    return this.#agenda;
  }

  /** For the health report. */
  get warnings(): string[] {
    const warnings = [...this.#waiting].map(
      ([store, keys]) => `the deletion of ${keys} keys waits until custom key store ${store} is connected`,
    );
    const hours = Math.ceil(this.clock.cautionLeft / 3_600_000);
    if (hours > 0) {
      warnings.push(
        'the clock was stepped, or the daemon was off for over an hour: deletions of keys, and of key material that ' +
          `has expired, wait for ${hours} more hours of uptime`,
      );
    }
    const ahead = this.#agenda.begunPeriods.after(Date.now() / 1000 + clockTolerance);
    if (ahead.length > 0) {
      warnings.push(
        `the automatic rotation or deletion of ${ahead.length} keys was scheduled by a clock that was ahead of this one ` +
          `(${ahead.slice(0, 5).join(', ')}): the period starts again when the clock is trusted`,
      );
    }
    return warnings;
  }

  async #tick(): Promise<void> {
    this.#ticks += 1;
    const now = Date.now() / 1000;
    const { begunDeletions, begunPeriods, deletions, destructions, expiries, rotations, wrappingKeys } =
      this.#agenda;
    if (this.#ticks % ticksPerHeartbeat === 0) await this.#attempt(() => this.clock.heartbeat());
    if (this.#ticks % ticksPerFlush === 0) await this.#attempt(() => this.lastUsage.flush());
    await this.#destroy(expiries, (keyId, at) => this.#act('expireMaterial', keyId, at));
    await this.#destroy(wrappingKeys, (name, at) => this.#act('deleteWrappingKey', name, at));
    for (const objectId of destructions.due(now)) await this.#act('finishDestruction', objectId, now);
    for (const keyId of rotations.due(now)) await this.#act('rotateKey', keyId, now);
    const trusted = this.clock.trustedNow;
    if (trusted !== undefined)
      for (const keyId of begunPeriods.after(trusted + clockTolerance))
        await this.#act('correctPeriods', keyId, trusted);
    this.#waiting.clear();
    // Deletions that were begun are finished, whatever the clock says.
    for (const keyId of begunDeletions.due(now)) await this.#delete(keyId, now);
    await this.#destroy(deletions, (keyId, at) => this.#delete(keyId, at));
  }

  /** Performs irreversible actions one by one, as long as the clock is trusted. */
  async #destroy(times: DueTimes, perform: Perform): Promise<void> {
    const { trustedNow } = this.clock;
    for (const name of trustedNow === undefined ? [] : times.due(trustedNow)) {
      const now = this.clock.trustedNow;
      if (now === undefined) return;
      await perform(name, now);
    }
  }

  async #delete(keyId: string, now: number): Promise<void> {
    const store = this.acts.awaitedStore(keyId);
    if (store === undefined) await this.#act('deleteKey', keyId, now);
    else this.#waiting.set(store, (this.#waiting.get(store) ?? 0) + 1);
  }

  async #act(act: Act, name: string, now: number): Promise<void> {
    const retry = `${act} ${name}`;
    if (this.#stopped || this.#ticks < (this.#retries.get(retry) ?? 0)) return;
    if (await this.#attempt(() => this.acts[act](name, now), { act, name })) this.#retries.delete(retry);
    else this.#retries.set(retry, this.#ticks + ticksBeforeRetry);
  }

  async #attempt(action: () => Promise<void>, details: object = {}): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      this.log.error({ ...details, err: error }, 'a scheduled action failed and will be tried again');
      return false;
    }
  }
}
