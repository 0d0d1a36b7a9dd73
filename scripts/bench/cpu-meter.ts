/** Measures the CPU time per operation of several processes. Other load on the machine affects it less than rates. */
export class CpuMeter {
  #operations = 0;
  readonly #seconds = new Map<string, number>();

  /** @param used returns the CPU time of each process so far, in seconds */
  constructor(private readonly used: () => Readonly<Record<string, number>>) {}

  /** Measures while some work runs. @param work resolves with operations per second @returns the result of the work */
  async during(work: () => Promise<number>): Promise<number> {
    const [before, begun] = [this.used(), performance.now()];
    const rate = await work();
    this.#operations += (rate * (performance.now() - begun)) / 1_000;
    for (const [process, seconds] of Object.entries(this.used()))
      this.#seconds.set(process, (this.#seconds.get(process) ?? 0) + seconds - before[process]!);
    return rate;
  }

  /** Microseconds of CPU time per operation, by process, over all measurements. */
  perOperation(): Record<string, number> {
    return Object.fromEntries(
      [...this.#seconds].map(([process, seconds]) => [process, (seconds * 1e6) / this.#operations]),
    );
  }
}
