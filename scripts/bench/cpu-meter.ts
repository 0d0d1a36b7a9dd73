/** What CPU an operation takes of several processes. Neighbours move it much less than rates. */
export class CpuMeter {
  #operations = 0;
  readonly #seconds = new Map<string, number>();

  /** @param used seconds of CPU that each process used so far */
  constructor(private readonly used: () => Readonly<Record<string, number>>) {}

  /** @param work resolves with operations a second @returns what it does */
  async during(work: () => Promise<number>): Promise<number> {
    const [before, begun] = [this.used(), performance.now()];
    const rate = await work();
    this.#operations += (rate * (performance.now() - begun)) / 1_000;
    for (const [process, seconds] of Object.entries(this.used()))
      this.#seconds.set(process, (this.#seconds.get(process) ?? 0) + seconds - before[process]!);
    return rate;
  }

  /** Microseconds by process, over all that was measured. */
  perOperation(): Record<string, number> {
    return Object.fromEntries(
      [...this.#seconds].map(([process, seconds]) => [process, (seconds * 1e6) / this.#operations]),
    );
  }
}
