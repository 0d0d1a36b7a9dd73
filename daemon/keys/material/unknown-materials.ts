// Ciphertexts that name a material which is not in their key's record. They are newer than a restored metadata store, or
// forged. This is reported to the operator, but not to the caller.

/** The cause of an InvalidCiphertextException. */
export class UnknownMaterial extends Error {
  constructor(
    readonly keyId: string,
    readonly materialId: string,
  ) {
    super(`A ciphertext names key material ${materialId} of key ${keyId}, which its record does not know`);
  }
}

/** Maximum number of keys that are remembered. */
const maxKeys = 100;

/** The newest unknown material of each key. */
export class UnknownMaterials {
  /** The newest of each key. */
  readonly #found = new Map<string, string>();

  /** Notes an unknown material. @returns whether it is the first of its key, and should be logged */
  note({ keyId, materialId }: UnknownMaterial): boolean {
    const isFirst = !this.#found.has(keyId);
    if (isFirst && this.#found.size >= maxKeys) return false;
    this.#found.set(keyId, materialId);
    return isFirst;
  }

  /** Warnings for the health report. */
  get warnings(): string[] {
    return [...this.#found].map(
      ([keyId, materialId]) =>
        `ciphertexts of key ${keyId} name key material that its record does not know, such as ${materialId}: they are newer ` +
        `than the metadata store, or made up. 'keyhold recover materials ${keyId}' takes up what the HSM holds`,
    );
  }
}
