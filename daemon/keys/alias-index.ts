/** Index of the aliases of each key. */
export class AliasIndex {
  readonly #targets = new Map<string, string>();
  readonly #names = new Map<string, Set<string>>();

  /** Sets the target of an alias. @param keyId undefined if the alias was deleted */
  set(aliasName: string, keyId: string | undefined): void {
    const before = this.#targets.get(aliasName);
    if (before === keyId) return;
    if (before !== undefined) this.#remove(aliasName, before);
    if (keyId === undefined) return;
    this.#targets.set(aliasName, keyId);
    const names = this.#names.get(keyId);
    if (names) names.add(aliasName);
    else this.#names.set(keyId, new Set([aliasName]));
  }

  /** Returns the names of a key's aliases, sorted. */
  of(keyId: string): string[] {
    return [...(this.#names.get(keyId) ?? [])].sort();
  }

  /** Returns the number of a key's aliases. */
  count(keyId: string): number {
    return this.#names.get(keyId)?.size ?? 0;
  }

  #remove(aliasName: string, keyId: string): void {
    this.#targets.delete(aliasName);
    const names = this.#names.get(keyId);
    names?.delete(aliasName);
    if (names?.size === 0) this.#names.delete(keyId);
  }
}
