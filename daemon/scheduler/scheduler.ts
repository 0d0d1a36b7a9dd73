// What the daemon does when the time has come: deletions, rotations, and writing down what waits in memory.
import type { Keyring } from '../keys/keyring.js';
import type { LastUsage } from '../keys/last-usage.js';
import type { Logger } from '../observability/log.js';
import type { ServiceActs } from '../operations/service-acts.js';
import { Agenda } from './agenda.js';
import type { ObservedClock } from './observed-clock.js';

/** Milliseconds between two looks at the wall clock. */
const tickInterval = 1_000;
/** Ticks between two writes of when keys were last used: the daemon promises at most a minute. */
const ticksPerFlush = 20;
const ticksPerHeartbeat = 60;
/** Ticks after which an act that failed is tried again. */
const ticksBeforeRetry = 60;

type Act = 'deleteKey' | 'rotateKey' | 'expireMaterial' | 'deleteWrappingKey' | 'finishDestruction';

export class Scheduler {
  readonly #agenda: Agenda;
  /** The tick before which an act is not tried again, by act and name. */
  readonly #retries = new Map<string, number>();
  /** How many deletions wait for a custom key store, by its id. */
  readonly #waiting = new Map<string, number>();
  #ticks = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(
    keyring: Keyring,
    private readonly acts: Pick<ServiceActs, Act | 'awaitedStore'>,
    private readonly lastUsage: LastUsage,
    private readonly clock: ObservedClock,
    private readonly log: Logger,
  ) {
    this.#agenda = new Agenda(keyring);
  }

  start(): void {
    this.#running = this.#tick().then(() => {
      if (!this.#stopped) this.#timer = setTimeout(() => this.start(), tickInterval);
    });
  }

  /** Ends what runs, and writes what waits in memory. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
    await this.lastUsage.flush();
    await this.clock.heartbeat();
  }

  /** For the health report. */
  get warnings(): string[] {
    const warnings = [...this.#waiting].map(
      ([store, keys]) => `the deletion of ${keys} keys waits until custom key store ${store} is connected`,
    );
    const hours = Math.ceil(this.clock.cautionLeft / 3_600_000);
    if (hours > 0) {
      warnings.push(
        'the clock was stepped, or the daemon was off for over an hour: deletions of keys wait for ' +
          `${hours} more hours of uptime`,
      );
    }
    return warnings;
  }

  async #tick(): Promise<void> {
    this.#ticks += 1;
    const now = Date.now() / 1000;
    const { begunDeletions, deletions, destructions, expiries, rotations, wrappingKeys } = this.#agenda;
    if (this.#ticks % ticksPerHeartbeat === 0) await this.#attempt(() => this.clock.heartbeat());
    if (this.#ticks % ticksPerFlush === 0) await this.#attempt(() => this.lastUsage.flush());
    for (const keyId of expiries.due(now)) await this.#act('expireMaterial', keyId);
    for (const name of wrappingKeys.due(now)) await this.#act('deleteWrappingKey', name);
    for (const objectId of destructions.due(now)) await this.#act('finishDestruction', objectId);
    for (const keyId of rotations.due(now)) await this.#act('rotateKey', keyId);
    this.#waiting.clear();
    for (const keyId of begunDeletions.due(now)) await this.#delete(keyId);
    for (const keyId of deletions.due(now)) {
      if (this.clock.cautionLeft > 0) return;
      await this.#delete(keyId);
    }
  }

  async #delete(keyId: string): Promise<void> {
    const store = this.acts.awaitedStore(keyId);
    if (store === undefined) await this.#act('deleteKey', keyId);
    else this.#waiting.set(store, (this.#waiting.get(store) ?? 0) + 1);
  }

  async #act(act: Act, name: string): Promise<void> {
    const retry = `${act} ${name}`;
    if (this.#stopped || this.#ticks < (this.#retries.get(retry) ?? 0)) return;
    if (await this.#attempt(() => this.acts[act](name), { act, name })) this.#retries.delete(retry);
    else this.#retries.set(retry, this.#ticks + ticksBeforeRetry);
  }

  async #attempt(action: () => Promise<void>, details: object = {}): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      this.log.error({ ...details, err: error }, 'a scheduled act failed, and is tried again');
      return false;
    }
  }
}
