// Slots of executing requests. Long-running requests do not keep theirs.

/**
 * Counts the requests of this generation and of the one before. Earlier ones are no longer counted: long-running requests (a
 * token that hangs, RSA key generation) must not hold every slot.
 */
export class Slots {
  #generation = 0;
  #begun = 0;
  #begunBefore = 0;

  /** How many slots are taken. @param generation the current one, which never decreases */
  taken(generation: number): number {
    this.#enter(generation);
    return this.#begun + this.#begunBefore;
  }

  /** Takes a slot. @param generation the current one */
  take(generation: number): void {
    this.#enter(generation);
    this.#begun += 1;
  }

  /**
   * Frees the slot of a request, if it still holds one.
   * @param begunIn the generation in which the request began
   * @param generation the current one
   */
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
