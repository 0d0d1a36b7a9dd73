// Slots of executing requests. Long-running requests do not keep theirs.

/**
 * Counts the requests of this generation and of the one before. Earlier ones are no longer counted: long-running requests (a
 * token that hangs, RSA key generation) must not hold every slot.
 */
export class Slots {
  #generation = 0;
  #begun = 0;
  #begunBefore = 0;

  /** How many are counted. @param generation the present one, which never goes back */
  taken(generation: number): number {
    this.#enter(generation);
    return this.#begun + this.#begunBefore;
  }

  /** Counts one in. @param generation the present one */
  take(generation: number): void {
    this.#enter(generation);
    this.#begun += 1;
  }

  /** Counts out one that began in a generation, unless it is counted no more. @param generation the present one */
  free(begunIn: number, generation: number): void {
    this.#enter(generation);
    if (begunIn === generation) this.#begun -= 1;
    else if (begunIn === generation - 1) this.#begunBefore -= 1;
  }

  #enter(generation: number): void {
    if (generation === this.#generation) return;
    this.#begunBefore = generation === this.#generation + 1 ? this.#begun : 0;
    this.#begun = 0;
    this.#generation = generation;
  }
}
