// Keeps a connection to one other Region open.
import type { Logger } from '../../observability/log.js';
import { PeerError } from '../peer.js';
import type { RegionConnection } from '../services.js';
import { dial, DialError, type DialTarget } from './dial.js';
import type { OutboundConnection } from './outbound.js';
import type { RegionTimes } from './times.js';

/** Dependencies of a dialler. */
export interface DiallerDeps {
  /** The complete generations whose keys are open, the newest first. */
  readonly targets: () => readonly DialTarget[];
  /** The newest complete generation, whether its key is open or not. */
  readonly newest: () => number;
  /** Called when a connection was opened. */
  readonly connected: (region: string, generation: number) => void;
  readonly times: RegionTimes;
  readonly log: Logger;
}

const keyIsNotOpen = new DialError(
  'UNREACHABLE',
  'the private key of this Region for the link is not opened with the HSM yet',
);

/** Dials one Region, again and again while there is no connection with the newest generation. */
export class Dialler {
  #current: OutboundConnection | undefined;
  #problem: DialError | undefined;
  #timer: NodeJS.Timeout | undefined;
  #attempts = 0;
  #isDialling = false;
  #isWoken = false;
  #isStopped = false;
  #nudged = -Infinity;
  /** When the connection was opened or lost, in milliseconds of the monotonic clock. */
  #since = performance.now();

  constructor(
    readonly region: string,
    private readonly deps: DiallerDeps,
  ) {}

  /** The generation of the open connection. @returns undefined if there is none */
  get generation(): number | undefined {
    return this.#current?.isOpen ? this.#current.generation : undefined;
  }

  /** The state of the connection. */
  get connection(): RegionConnection {
    if (this.generation !== undefined) return { state: 'CONNECTED', problem: undefined };
    return { state: this.#problem?.state ?? 'CONNECTING', problem: this.#problem?.message };
  }

  /** Milliseconds without a connection; 0 while there is one. */
  get awayFor(): number {
    return this.generation === undefined ? performance.now() - this.#since : 0;
  }

  /** Dials now, if that can make a connection with a newer generation. Also ends a connection whose generation is gone. */
  wake(): void {
    if (this.#isStopped) return;
    const { targets } = this.deps;
    const current = this.#current;
    if (current && !targets().some(({ pinned }) => pinned.generation === current.generation))
      current.terminate();
    this.#attempts = 0;
    if (this.#isDialling) this.#isWoken = true;
    else this.#schedule(0);
  }

  /** Like {@link wake}, on behalf of the other Region: it cannot make this one dial more often than the first delay. */
  nudge(): void {
    if (performance.now() - this.#nudged < this.deps.times.firstDelay) return;
    this.#nudged = performance.now();
    this.wake();
  }

  /** Sends a request. @throws PeerError */
  request(name: string, body: unknown): Promise<unknown> {
    if (this.#current?.isOpen) return this.#current.request(name, body);
    const why = this.#problem?.message ?? 'the connection is being opened';
    return Promise.reject(
      new PeerError('unreachable', this.region, `The Region ${this.region} cannot be reached: ${why}.`),
    );
  }

  /** Dials no more. @param drains whether requests in flight may be finished */
  stop(drains: boolean): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    if (drains) this.#current?.drain();
    else this.#current?.terminate();
  }

  /** Whether a connection is open or being closed. */
  get isConnected(): boolean {
    return this.#current !== undefined;
  }

  #schedule(delay: number): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#attempt().catch((error: unknown) =>
        this.deps.log.error({ err: error, region: this.region }, 'a Region could not be dialled'),
      );
    }, delay).unref();
  }

  async #attempt(): Promise<void> {
    if (this.#isDialling) return;
    this.#isDialling = true;
    this.#isWoken = false;
    try {
      await this.#dialAny();
    } finally {
      this.#isDialling = false;
      if (this.#isWoken) this.#schedule(0);
      else if (this.generation !== this.deps.newest()) this.#schedule(this.#nextDelay());
    }
  }

  /** Dials with the newest generation; with older ones only if that fails. */
  async #dialAny(): Promise<void> {
    const targets = this.deps.targets();
    let problem: DialError | undefined;
    for (const target of targets) {
      if ((this.generation ?? 0) >= target.pinned.generation) return;
      try {
        this.#adopt(await this.#dial(target));
        return;
      } catch (error) {
        if (!(error instanceof DialError)) throw error;
        problem ??= error;
      }
    }
    if (this.generation !== undefined) return;
    // A key that cannot be opened is logged where it is opened; at a start it only takes a moment.
    if (problem) this.#note(problem);
    else this.#problem = keyIsNotOpen;
  }

  async #dial(target: DialTarget): Promise<OutboundConnection> {
    const connection: OutboundConnection = await dial(target, this.deps.times, (reason) => {
      if (this.#current === connection) this.#lost(reason);
    });
    return connection;
  }

  #adopt(connection: OutboundConnection): void {
    const isWanted = this.deps.targets().some(({ pinned }) => pinned.generation === connection.generation);
    if (this.#isStopped || !isWanted) {
      connection.terminate();
      return;
    }
    this.#current?.drain();
    this.#current = connection;
    this.#problem = undefined;
    this.#since = performance.now();
    const { region } = this;
    const { generation } = connection;
    this.deps.log.info({ region, generation }, 'connected to another Region');
    this.deps.connected(region, generation);
  }

  #lost(reason: string): void {
    this.#current = undefined;
    if (performance.now() - this.#since >= this.deps.times.longestDelay) this.#attempts = 0;
    this.#since = performance.now();
    this.#note(new DialError('UNREACHABLE', reason));
    if (!this.#isDialling) this.#schedule(this.#nextDelay());
  }

  /** Keeps the reason, and logs it if it is another one than before. */
  #note(problem: DialError): void {
    if (!this.#isStopped && problem.message !== this.#problem?.message)
      this.deps.log.warn(
        { region: this.region, reason: problem.message },
        'there is no connection to another Region',
      );
    this.#problem = problem;
  }

  /** Exponential back-off, with jitter so that many do not dial at once. */
  #nextDelay(): number {
    const { firstDelay, longestDelay } = this.deps.times;
    const delay = Math.min(longestDelay, firstDelay * 2 ** Math.min(this.#attempts, 30));
    this.#attempts += 1;
    return delay / 2 + (Math.random() * delay) / 2;
  }
}
