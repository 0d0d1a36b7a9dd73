// The table of key states and the operations that each allows (AWS KMS Developer Guide, "Key states of AWS KMS keys").
import type { KeyState } from '../../proto/generated/messages.js';
import { KeyError, type KeyErrorCode } from './errors.js';
import type { KeyRecord } from './record.js';

/** What the state table needs of a key. */
interface StatefulKey {
  readonly arn: string;
  readonly record: KeyRecord;
  readonly state: KeyState;
}

type Verdict = 'ok' | KeyErrorCode;

type Row = Readonly<Partial<Record<KeyState, Verdict>>>;

const Disabled = 'disabled';
const Unsupported = 'unsupported-operation';

/**
 * Rows by what an operation does; a state that a row does not name is refused as an invalid state. Keys are
 * Creating and Updating only while they are replicated: the first can be read, the second also used.
 */
const rows = {
  cryptographic: { Enabled: 'ok', Disabled, Updating: 'ok' },
  publicKey: { Enabled: 'ok', Disabled: 'ok', Updating: 'ok' },
  createGrant: { Enabled: 'ok', Disabled, Unavailable: 'ok' },
  read: {
    Enabled: 'ok',
    Disabled: 'ok',
    PendingImport: 'ok',
    PendingDeletion: 'ok',
    Unavailable: 'ok',
    Creating: 'ok',
    Updating: 'ok',
  },
  modify: { Enabled: 'ok', Disabled: 'ok', PendingImport: 'ok', Unavailable: 'ok' },
  enableDisable: { Enabled: 'ok', Disabled: 'ok', Unavailable: 'ok' },
  cancelDeletion: { PendingDeletion: 'ok' },
  scheduleRotation: { Enabled: 'ok', Disabled, PendingImport: Unsupported, Unavailable: Unsupported },
  // At AWS only keys that have no rotation are Unavailable. Here it is the way out where the newest material is missing.
  rotate: { Enabled: 'ok', Disabled, Unavailable: 'ok' },
  migrate: { Enabled: 'ok', Disabled, Unavailable: Unsupported },
  rotationStatus: {
    Enabled: 'ok',
    Disabled: 'ok',
    PendingImport: 'ok',
    PendingDeletion: 'ok',
    Unavailable: Unsupported,
  },
  importMaterial: { Enabled: 'ok', Disabled: 'ok', PendingImport: 'ok', Unavailable: Unsupported },
  deleteMaterial: {
    Enabled: 'ok',
    Disabled: 'ok',
    PendingImport: 'ok',
    PendingDeletion: 'ok',
    Unavailable: Unsupported,
  },
} as const satisfies Record<string, Row>;

/** A row of the state table. */
export type StateRow = keyof typeof rows;

/** Returns the state of a record, regardless of the materials' availability. */
export function stateOf(record: KeyRecord): KeyState {
  if (record.deletion) return 'PendingDeletion';
  if (lacksMaterial(record)) return 'PendingImport';
  return record.enabled ? 'Enabled' : 'Disabled';
}

/** As at AWS KMS, every material of a key must be there, but for one that is not rotated to yet. */
function lacksMaterial({ materials }: KeyRecord): boolean {
  return materials.length === 0 || materials.some(({ imported }) => imported?.present === false);
}

/** When the first of a key's imported materials expires, in epoch seconds; undefined: none does. */
export function earliestExpiry({ materials }: KeyRecord): number | undefined {
  const times = materials.flatMap(({ imported }) => imported?.validTo ?? []);
  return times.length > 0 ? Math.min(...times) : undefined;
}

/** What the table says of a state. */
export function verdictOf(row: StateRow, state: KeyState): Verdict {
  return (rows[row] as Row)[state] ?? 'invalid-state';
}

/**
 * @param state of the key, where the operation uses another material than its current one
 * @throws KeyError as the table says
 */
export function checkState(key: StatefulKey, row: StateRow, state = key.state): void {
  const verdict = verdictOf(row, state);
  if (verdict === 'ok') return;
  throw new KeyError(verdict, `${key.arn} ${sentenceOf(key, verdict, state)}`);
}

/** AWS KMS's texts, on which clients rely. */
const sentences: Readonly<Record<KeyState, string>> = {
  Enabled: 'is not pending deletion.',
  Disabled: 'is not pending deletion.',
  PendingDeletion: 'is pending deletion.',
  PendingImport: 'is pending import.',
  Unavailable: 'is unavailable.',
  Creating: 'is creating.',
  Updating: 'is updating.',
  PendingReplicaDeletion: 'is pending replica deletion.',
};

function sentenceOf({ record }: StatefulKey, verdict: KeyErrorCode, state: KeyState): string {
  if (verdict === Disabled) return 'is disabled.';
  if (verdict === Unsupported && record.origin !== 'AWS_KMS')
    return `origin is ${record.origin} which is not valid for this operation.`;
  return sentences[state];
}
