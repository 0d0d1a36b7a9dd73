/** Number of keys in a list: small enough for cheap insertions, large enough for few lists. */
const chunkLength = 512;

/** A sorted set of strings. Adding or deleting one of 100,000 moves a few hundred, not all that follow. */
export class OrderedKeys {
  /** Sorted; no chunk is empty. */
  #chunks: string[][] = [];

  /** Makes a set. @param keys sorted, without duplicates */
  static from(keys: readonly string[]): OrderedKeys {
    const ordered = new OrderedKeys();
    for (let start = 0; start < keys.length; start += chunkLength)
      ordered.#chunks.push(keys.slice(start, start + chunkLength));
    return ordered;
  }

  /** Whether there are no keys. */
  get isEmpty(): boolean {
    return this.#chunks.length === 0;
  }

  /** Adds a key; no effect if it is in the set. */
  add(key: string): void {
    const index = Math.min(this.#chunkOf(key), this.#chunks.length - 1);
    const chunk = this.#chunks[index];
    if (!chunk) {
      this.#chunks.push([key]);
      return;
    }
    const place = firstNotBelow(chunk, key);
    if (chunk[place] === key) return;
    chunk.splice(place, 0, key);
    if (chunk.length > 2 * chunkLength) this.#chunks.splice(index + 1, 0, chunk.splice(chunkLength));
  }

  /** Deletes a key; no effect if it is not in the set. */
  delete(key: string): void {
    const index = this.#chunkOf(key);
    const chunk = this.#chunks[index];
    const place = chunk ? firstNotBelow(chunk, key) : 0;
    if (chunk?.[place] !== key) return;
    chunk.splice(place, 1);
    if (chunk.length === 0) this.#chunks.splice(index, 1);
  }

  /** Iterates over the keys in order. @param start lower bound, inclusive */
  *from(start: string): Iterable<string> {
    for (let index = this.#chunkOf(start); index < this.#chunks.length; index++) {
      const chunk = this.#chunks[index]!;
      const first = (chunk[0] ?? '') < start ? firstNotBelow(chunk, start) : 0;
      for (let place = first; place < chunk.length; place++) yield chunk[place]!;
    }
  }

  /** Returns the number of keys below a given one. */
  countBelow(key: string): number {
    const index = this.#chunkOf(key);
    let count = firstNotBelow(this.#chunks[index] ?? [], key);
    for (const chunk of this.#chunks.slice(0, index)) count += chunk.length;
    return count;
  }

  /** Index of the first chunk that has a key which is not below the given one. */
  #chunkOf(key: string): number {
    return firstWhere(this.#chunks.length, (index) => this.#chunks[index]!.at(-1)! >= key);
  }
}

function firstNotBelow(keys: readonly string[], start: string): number {
  return firstWhere(keys.length, (index) => keys[index]! >= start);
}

/** Binary search: the first index for which the predicate is true; it is true for all after it. */
function firstWhere(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
