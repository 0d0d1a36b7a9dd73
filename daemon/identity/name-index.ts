/** Unique IDs by name. As in IAM, names are unique ignoring case. */
export class NameIndex {
  readonly #ids = new Map<string, string>();
  readonly #names = new Map<string, string>();
  /** Sorted names in lower case; made when a list is needed. */
  #order: string[] | undefined;

  /** Sets the name of an ID. @param name undefined removes the ID */
  set(id: string, name: string | undefined): void {
    const known = this.#names.get(id);
    if (known !== undefined) this.#ids.delete(known);
    this.#names.delete(id);
    if (name !== undefined) {
      this.#ids.set(name.toLowerCase(), id);
      this.#names.set(id, name.toLowerCase());
    }
    this.#order = undefined;
  }

  /** Finds an ID by name, ignoring case. */
  id(name: string): string | undefined {
    return this.#ids.get(name.toLowerCase());
  }

  /** Number of names. */
  get size(): number {
    return this.#ids.size;
  }

  /** Iterates over the IDs in the order of their names. @param after only names after this one */
  *idsAfter(after: string): Iterable<string> {
    this.#order ??= [...this.#ids.keys()].sort();
    for (const name of this.#order) if (name > after.toLowerCase()) yield this.#ids.get(name)!;
  }
}
