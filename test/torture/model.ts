// What the daemon acknowledged, and what it may have done without acknowledging it.
import { randomBytes } from 'node:crypto';
import type { ErrorCode } from '../../proto/errors.js';

export type KnownState = 'Enabled' | 'Disabled' | 'PendingDeletion' | 'PendingImport';

/** The material of a key of origin EXTERNAL. */
export interface KnownMaterial {
  readonly value: Buffer;
  /** Whether it was imported at least once; from then on the key accepts no other. */
  isKnown: boolean;
  /** Whether it is present; undefined: a change was not answered. */
  present: boolean | undefined;
  /** Parameters of GetParametersForImport, until they expire. */
  parameters?: { readonly importToken: Uint8Array; readonly publicKey: Uint8Array; readonly validTo: number };
}

export interface KnownKey {
  readonly keyId: string;
  readonly description: string;
  /** undefined: a change was not answered. */
  state: KnownState | undefined;
  /** Whether a change of its state is in flight; there is one at a time. */
  changing: boolean;
  /** Counts the beginnings and ends of changes. */
  version: number;
  /** Epoch milliseconds from which on it may be deleted, if its deletion was asked for. */
  mayGoAt: number | undefined;
  /** Rotations on demand: asked for, and acknowledged. */
  rotations: { asked: number; done: number };
  /** Only for keys of origin EXTERNAL. */
  readonly material: KnownMaterial | undefined;
}

export interface KnownCiphertext {
  readonly keyId: string;
  readonly ciphertextBlob: Uint8Array;
  readonly encryptionContext: Readonly<Record<string, string>>;
  /** For a data key without plaintext only its length is known. */
  readonly plaintext: Uint8Array | number;
}

export class Model {
  readonly keys = new Map<string, KnownKey>();
  /** Alias name → key ID. */
  readonly aliases = new Map<string, string>();
  ciphertexts: KnownCiphertext[] = [];

  /** Descriptions of keys whose creation was not answered. */
  readonly unsureKeys = new Set<string>();
  /** Aliases whose creation was not answered, and their keys. */
  readonly unsureAliases = new Map<string, string>();

  addKey(keyId: string, description: string, state: KnownState = 'Enabled', isExternal = false): KnownKey {
    const rotations = { asked: 0, done: 0 };
    const material = isExternal ? { value: randomBytes(32), isKnown: false, present: false } : undefined;
    const key = {
      keyId,
      description,
      state,
      changing: false,
      version: 0,
      mayGoAt: undefined,
      rotations,
      material,
    };
    this.keys.set(keyId, key);
    return key;
  }

  /** Removes a deleted key with its aliases and ciphertexts. */
  forget(keyId: string): void {
    this.keys.delete(keyId);
    this.ciphertexts = this.ciphertexts.filter((ciphertext) => ciphertext.keyId !== keyId);
    for (const aliases of [this.aliases, this.unsureAliases])
      for (const [name, target] of aliases) if (target === keyId) aliases.delete(name);
  }
}

/** State of a key after its deletion is cancelled; undefined if unknown. */
export function stateAfterCancelling({ material }: KnownKey): KnownState | undefined {
  if (!material) return 'Disabled';
  return material.present === undefined ? undefined : material.present ? 'Disabled' : 'PendingImport';
}

/** Whether a key may already be deleted. */
export function mayBeGone({ mayGoAt }: KnownKey): boolean {
  return mayGoAt !== undefined && Date.now() >= mayGoAt;
}

/** The states in which a kind of operation is refused, with the error. */
export type Refusals = Readonly<Partial<Record<KnownState, ErrorCode>>>;

export const using: Refusals = {
  Disabled: 'DisabledException',
  PendingDeletion: 'KMSInvalidStateException',
  PendingImport: 'KMSInvalidStateException',
};
export const modifying: Refusals = { PendingDeletion: 'KMSInvalidStateException' };
export const enabling: Refusals = { ...modifying, PendingImport: 'KMSInvalidStateException' };
export const cancelling: Refusals = {
  Enabled: 'KMSInvalidStateException',
  Disabled: 'KMSInvalidStateException',
  PendingImport: 'KMSInvalidStateException',
};

/** Remembers the states of a request's keys when it begins, to check the answer. */
export class StateWatch {
  readonly #watched: readonly (readonly [key: KnownKey, state: KnownState | undefined, version: number])[];

  constructor(
    private readonly refusals: Refusals,
    ...keys: KnownKey[]
  ) {
    this.#watched = keys.map((key) => [key, key.changing ? undefined : key.state, key.version]);
  }

  /** Whether the keys' states explain the answer; undefined if it does not depend on them. */
  explains(code: string): boolean | undefined {
    const states = this.#watched.map(([key, state, version]) =>
      key.version === version ? state : undefined,
    );
    if (code === 'ok') return !states.some((state) => state && this.refusals[state]);
    const gone = this.#watched.some(([key]) => mayBeGone(key));
    if (code === 'NotFoundException' || code === 'AccessDeniedException') return gone;
    if (!(Object.values(this.refusals) as string[]).includes(code)) return undefined;
    return gone || states.some((state) => state === undefined || this.refusals[state] === code);
  }
}
