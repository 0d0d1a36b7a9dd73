// The sinks that the configuration names.
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Delivery } from './delivery.js';
import { makeDelivery, type SinkSettings } from './kinds.js';
import { Sink, type SinkStatus } from './sink.js';

/** The log that the sinks read, and where they report. */
export interface SinksEnvironment {
  /** The directory of the log's files. */
  readonly directory: string;
  /** Directory of the positions, `<name>.json` for each sink. Not the directory of the log. */
  readonly positions: string;
  /** Sequence number of the newest durable record. */
  readonly durable: () => number;
  /** Called for each failure of a sink, and with undefined when it works again. */
  readonly observe: (name: string, error: Error | undefined) => void;
}

/** Time in milliseconds for a sink to deliver its records at a stop or a change of its settings. */
const patience = 5_000;

interface Named {
  readonly settings: SinkSettings;
  readonly sink: Sink;
}

/** The audit sinks of a daemon. */
export class Sinks {
  readonly #sinks = new Map<string, Named>();
  #changing: Promise<void> = Promise.resolve();

  constructor(private readonly environment: SinksEnvironment) {}

  /** The status of each sink, by name. */
  get status(): Record<string, SinkStatus> {
    return Object.fromEntries([...this.#sinks].map(([name, { sink }]) => [name, sink.status]));
  }

  /** A sentence for each sink whose receiver does not accept records. */
  get warnings(): string[] {
    return Object.entries(this.status).flatMap(([name, { lastError, recordsBehind }]) =>
      lastError === undefined
        ? []
        : [`the audit sink ${name} is ${recordsBehind} records behind: ${lastError}`],
    );
  }

  /** Notifies the sinks of new durable records. */
  ring(): void {
    for (const { sink } of this.#sinks.values()) sink.ring();
  }

  /**
   * Starts, stops and restarts sinks to match these settings. Positions are kept: a sink that is added again continues
   * where it was.
   */
  apply(wanted: ReadonlyMap<string, SinkSettings>): void {
    this.#changing = this.#changing
      .then(() => this.#apply(wanted))
      .catch((error: unknown) => {
        const cause = error instanceof Error ? error : new Error(String(error));
        for (const name of wanted.keys()) this.environment.observe(name, cause);
      });
  }

  /** Sends what can be sent and ends. */
  async close(): Promise<void> {
    this.apply(new Map());
    await this.#changing;
  }

  async #apply(wanted: ReadonlyMap<string, SinkSettings>): Promise<void> {
    const old = [...this.#sinks].filter(
      ([name, { settings }]) => !isDeepStrictEqual(settings, wanted.get(name)),
    );
    // Only one sink may use a position: the old one ends before the new one starts.
    await Promise.all(old.map(([, { sink }]) => sink.close(patience)));
    for (const [name] of old) this.#sinks.delete(name);
    for (const [name, settings] of wanted) {
      if (!this.#sinks.has(name))
        this.#sinks.set(name, { settings, sink: this.#start(name, makeDelivery(settings)) });
    }
  }

  #start(name: string, delivery: Delivery): Sink {
    const { directory, positions, durable, observe } = this.environment;
    const positionFile = join(positions, `${name}.json`);
    return new Sink(delivery, {
      directory,
      positionFile,
      durable,
      observe: (error) => observe(name, error),
    });
  }
}
