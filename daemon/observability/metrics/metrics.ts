// The metrics of the daemon: what is read, by which name, when somebody asks. prom-client formats them and adds those of the
// process. Parts keep plain numbers; nothing is looked up or put together while requests are served.
import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import type { Distribution } from './distribution.js';

/** Label names and values, all of them of tables or of the configuration, never what a client chose. */
export type Labels = Readonly<Record<string, string>>;

/** A value and what it is of. */
export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

/** Values by size, and what they are of. */
export interface DistributionSample {
  readonly labels?: Labels;
  readonly distribution: Distribution;
}

interface Value {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** What prom-client's registry asks of a metric. */
interface Reading {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly aggregator: 'sum';
  readonly values: readonly Value[];
}

/** All metrics of one daemon, for whoever shows them. */
export class Metrics {
  readonly #registry = new Registry();
  #measuresProcess = false;

  /** Adds a value that rises and falls. */
  gauge(name: string, help: string, read: () => Iterable<Sample>): void {
    this.#add({ name, help, type: 'gauge' }, () => valuesOf(read()));
  }

  /** Adds a value that only rises. @param name ends in `_total` */
  counter(name: string, help: string, read: () => Iterable<Sample>): void {
    this.#add({ name, help, type: 'counter' }, () => valuesOf(read()));
  }

  /** Adds counts by size. @param name ends in its unit */
  histogram(name: string, help: string, read: () => Iterable<DistributionSample>): void {
    this.#add({ name, help, type: 'histogram' }, () =>
      [...read()].flatMap((sample) => bucketsOf(name, sample)),
    );
  }

  /**
   * Reads all of them, and those of the process: CPU, memory, open files, garbage collection and the delay of the event loop.
   * These begin with the first reading, because the timer behind them takes 1 % of a core, also where nobody reads.
   * @returns in the text format of Prometheus, version 0.0.4
   */
  text(): Promise<string> {
    if (!this.#measuresProcess) collectDefaultMetrics({ register: this.#registry });
    this.#measuresProcess = true;
    return this.#registry.metrics();
  }

  /** The media type of {@link text}. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  #add(description: Pick<Reading, 'name' | 'help' | 'type'>, read: () => readonly Value[]): void {
    const get = (): Promise<Reading> =>
      Promise.resolve({ ...description, aggregator: 'sum', values: read() });
    // Its own classes keep the values themselves; the registry asks a metric for its name and `get` alone.
    this.#registry.registerMetric({ ...description, get } as unknown as Metric);
  }
}

function valuesOf(samples: Iterable<Sample>): Value[] {
  return [...samples].map(({ labels = {}, value }) => ({ labels, value }));
}

/** Buckets are cumulative, and the last one has no bound. */
function bucketsOf(name: string, { labels = {}, distribution }: DistributionSample): Value[] {
  const { bounds, counts, sum } = distribution;
  let count = 0;
  const buckets = [...counts].map((each, at) => {
    count += each;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[at] ?? '+Inf' }, value: count };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
