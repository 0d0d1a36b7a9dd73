// What the daemon has acknowledged, and what it may have done without anybody having heard of it.

export interface KnownKey {
  readonly keyId: string;
  readonly description: string;
  /** undefined: a change of it was not answered. */
  enabled: boolean | undefined;
  /** A change of its state is under way; there is one at a time. */
  changing: boolean;
  /** Counts the beginnings and ends of changes. */
  version: number;
}

export interface KnownCiphertext {
  readonly keyId: string;
  readonly ciphertextBlob: Uint8Array;
  readonly encryptionContext: Readonly<Record<string, string>>;
  /** A data key that came without its plaintext has only a length. */
  readonly plaintext: Uint8Array | number;
}

export class Model {
  readonly keys = new Map<string, KnownKey>();
  /** Alias name → key id. */
  readonly aliases = new Map<string, string>();
  readonly ciphertexts: KnownCiphertext[] = [];

  /** Descriptions of keys whose creation was not answered. */
  readonly unsureKeys = new Set<string>();
  /** Aliases whose creation was not answered, and their keys. */
  readonly unsureAliases = new Map<string, string>();

  addKey(keyId: string, description: string, enabled = true): KnownKey {
    const key = { keyId, description, enabled, changing: false, version: 0 };
    this.keys.set(keyId, key);
    return key;
  }
}

/** Remembers a key's state at the beginning of a request, to judge the answer. */
export class StateWatch {
  readonly #watched: readonly (readonly [key: KnownKey, enabled: boolean | undefined, version: number])[];

  constructor(...keys: KnownKey[]) {
    this.#watched = keys.map((key) => [key, key.changing ? undefined : key.enabled, key.version]);
  }

  #states(): (boolean | undefined)[] {
    return this.#watched.map(([key, enabled, version]) => (key.version === version ? enabled : undefined));
  }

  /** One of the keys was disabled all the time: the request cannot have succeeded. */
  get surelyDisabled(): boolean {
    return this.#states().includes(false);
  }

  /** All of the keys were enabled all the time: the request cannot have been refused for that. */
  get surelyEnabled(): boolean {
    return this.#states().every((enabled) => enabled === true);
  }
}
