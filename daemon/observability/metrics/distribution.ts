// Counts of values by size. What prom-client's own histograms cost at each value (a microsecond) is too much where tens of
// thousands are counted in a second, so these are read when somebody asks.

/** Upper bounds in seconds, for requests and disks. */
export const durationBounds = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];
/** Upper bounds in seconds, for calls of an HSM: those of SoftHSM2 take microseconds. */
export const callBounds = [
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
  0.5, 1, 2.5, 10,
];
/** Upper bounds, for how many are done at once. */
export const sizeBounds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** How many values were at most as large as each of some bounds, and their sum. */
export class Distribution {
  /** Values up to each bound that are above the bound before it; the last one has those beyond all bounds. */
  readonly counts: Float64Array;
  sum = 0;

  /** @param bounds in rising order */
  constructor(readonly bounds: readonly number[]) {
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** Counts a value. */
  add(value: number): void {
    const { bounds, counts } = this;
    let at = 0;
    while (at < bounds.length && value > bounds[at]!) at += 1;
    counts[at]! += 1;
    this.sum += value;
  }

  /** How many values there were. */
  get count(): number {
    return this.counts.reduce((sum, each) => sum + each, 0);
  }
}

/** Counts by name. The names are those of a table, never what a client chose, so there are few of them. */
export class Tally<Name extends string = string> {
  readonly #counts: Map<Name, number>;

  /** @param names that are counted from 0 on: Prometheus sees no rise of a count that was not there before */
  constructor(names: readonly Name[] = []) {
    this.#counts = new Map(names.map((name) => [name, 0]));
  }

  add(name: Name, amount = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + amount);
  }

  entries(): Iterable<[Name, number]> {
    return this.#counts.entries();
  }
}
