// What the daemon has acknowledged, and what it may have done without anybody having heard of it.
import { randomBytes } from 'node:crypto';
import type { ErrorCode } from '../../proto/errors.js';

export type KnownState = 'Enabled' | 'Disabled' | 'PendingDeletion' | 'PendingImport';

/** What a key of origin EXTERNAL gets. */
export interface KnownMaterial {
  readonly value: Buffer;
  /** It was imported at least once: the key takes no other from then on. */
  isKnown: boolean;
  /** Whether it is there; undefined: a change of that was not answered. */
  present: boolean | undefined;
  /** Of GetParametersForImport, until they expire. */
  parameters?: { readonly importToken: Uint8Array; readonly publicKey: Uint8Array; readonly validTo: number };
}

export interface KnownKey {
  readonly keyId: string;
  readonly description: string;
  /** undefined: a change of it was not answered. */
  state: KnownState | undefined;
  /** A change of its state is under way; there is one at a time. */
  changing: boolean;
  /** Counts the beginnings and ends of changes. */
  version: number;
  /** Epoch milliseconds from which on it may be deleted, if its deletion was asked for. */
  mayGoAt: number | undefined;
  /** Rotations on demand: asked for, and acknowledged. */
  rotations: { asked: number; done: number };
  /** Of keys of origin EXTERNAL. */
  readonly material: KnownMaterial | undefined;
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

  /** A key was deleted, with all that belongs to it. */
  forget(keyId: string): void {
    this.keys.delete(keyId);
    this.ciphertexts = this.ciphertexts.filter((ciphertext) => ciphertext.keyId !== keyId);
    for (const aliases of [this.aliases, this.unsureAliases])
      for (const [name, target] of aliases) if (target === keyId) aliases.delete(name);
  }
}

/** What a key is in when its deletion is cancelled; undefined where nobody knows. */
export function stateAfterCancelling({ material }: KnownKey): KnownState | undefined {
  if (!material) return 'Disabled';
  return material.present === undefined ? undefined : material.present ? 'Disabled' : 'PendingImport';
}

/** Whether the time is there at which a key may be deleted. */
export function mayBeGone({ mayGoAt }: KnownKey): boolean {
  return mayGoAt !== undefined && Date.now() >= mayGoAt;
}

/** The states of a key in which a kind of operation is refused, and with which error. */
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

/** Remembers the states of a request's keys when it begins, to judge the answer. */
export class StateWatch {
  readonly #watched: readonly (readonly [key: KnownKey, state: KnownState | undefined, version: number])[];

  constructor(
    private readonly refusals: Refusals,
    ...keys: KnownKey[]
  ) {
    this.#watched = keys.map((key) => [key, key.changing ? undefined : key.state, key.version]);
  }

  /** Whether the keys explain the answer; undefined where it is none that depends on them. */
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
