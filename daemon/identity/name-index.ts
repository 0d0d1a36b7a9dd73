/** Unique ids by name. Names of users, of roles and of policies differ by more than case, as at IAM. */
export class NameIndex {
  readonly #ids = new Map<string, string>();
  readonly #names = new Map<string, string>();
  /** Names in lower case, in order; made when a list is asked for. */
  #order: string[] | undefined;

  /** @param name undefined: there is no such id any more */
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

  id(name: string): string | undefined {
    return this.#ids.get(name.toLowerCase());
  }

  get size(): number {
    return this.#ids.size;
  }

  /** Ids in the order of their names. @param after only those of names that come after this one */
  *idsAfter(after: string): Iterable<string> {
    this.#order ??= [...this.#ids.keys()].sort();
    for (const name of this.#order) if (name > after.toLowerCase()) yield this.#ids.get(name)!;
  }
}
