// The table of key states and the operations that each allows (AWS KMS Developer Guide, "Key states of AWS KMS keys").
import type { KeyState } from '../../proto/generated/messages.js';
import { KeyError, type KeyErrorCode } from './errors.js';
import type { KeyRecord } from './record.js';

/** The parts of a key that the state table needs. */
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
 * Rows by the kind of operation. A state that is not in a row is refused as an invalid state. Only multi-Region keys are
 * Creating (replicas that do not have their material yet), Updating (a change has not reached all Regions yet) or
 * PendingReplicaDeletion (primary keys that are deleted after their replicas). A Region that is away may leave a key Updating
 * for days. So, unlike in AWS KMS, such a key can be enabled and disabled and its material imported; what the Regions must
 * agree on cannot be changed again.
 */
const rows = {
  cryptographic: { Enabled: 'ok', Disabled, Updating: 'ok' },
  publicKey: { Enabled: 'ok', Disabled: 'ok', Updating: 'ok' },
  createGrant: { Enabled: 'ok', Disabled, Unavailable: 'ok', Updating: 'ok' },
  read: {
    Enabled: 'ok',
    Disabled: 'ok',
    PendingImport: 'ok',
    PendingDeletion: 'ok',
    PendingReplicaDeletion: 'ok',
    Unavailable: 'ok',
    Creating: 'ok',
    Updating: 'ok',
  },
  modify: {
    Enabled: 'ok',
    Disabled: 'ok',
    PendingImport: 'ok',
    Unavailable: 'ok',
    Creating: 'ok',
    Updating: 'ok',
  },
  enableDisable: { Enabled: 'ok', Disabled: 'ok', Unavailable: 'ok', Updating: 'ok' },
  scheduleDeletion: { Enabled: 'ok', Disabled: 'ok', PendingImport: 'ok', Unavailable: 'ok', Creating: 'ok' },
  cancelDeletion: { PendingDeletion: 'ok', PendingReplicaDeletion: 'ok' },
  scheduleRotation: { Enabled: 'ok', Disabled, PendingImport: Unsupported, Unavailable: Unsupported },
  // In AWS KMS only keys without rotation can be Unavailable. Here rotation replaces a current material that is missing.
  rotate: { Enabled: 'ok', Disabled, Unavailable: 'ok' },
  replicate: { Enabled: 'ok', Disabled },
  movePrimary: { Enabled: 'ok', Disabled },
  migrate: { Enabled: 'ok', Disabled, Unavailable: Unsupported },
  rotationStatus: {
    Enabled: 'ok',
    Disabled: 'ok',
    PendingImport: 'ok',
    PendingDeletion: 'ok',
    PendingReplicaDeletion: 'ok',
    Unavailable: Unsupported,
    Creating: 'ok',
    Updating: 'ok',
  },
  importMaterial: {
    Enabled: 'ok',
    Disabled: 'ok',
    PendingImport: 'ok',
    Unavailable: Unsupported,
    Updating: 'ok',
  },
  deleteMaterial: {
    Enabled: 'ok',
    Disabled: 'ok',
    PendingImport: 'ok',
    PendingDeletion: 'ok',
    PendingReplicaDeletion: 'ok',
    Unavailable: Unsupported,
  },
} as const satisfies Record<string, Row>;

/** A row of the state table. */
export type StateRow = keyof typeof rows;

/** Returns the state of a record, regardless of the materials' availability. */
export function stateOf(record: KeyRecord): KeyState {
  if (record.deletion) return 'PendingDeletion';
  if (record.replicaDeletion) return 'PendingReplicaDeletion';
  if (record.regions?.creationId !== undefined) return 'Creating';
  if (lacksMaterial(record)) return 'PendingImport';
  if (!record.enabled) return 'Disabled';
  return isUpdating(record) ? 'Updating' : 'Enabled';
}

/** Whether a rotation or a change of the primary Region waits for other Regions. */
function isUpdating({ regions, pendingMaterial }: KeyRecord): boolean {
  return regions?.movingTo !== undefined || pendingMaterial?.rotationType !== undefined;
}

/** As in AWS KMS, every material of a key must be present, except one that is pending rotation. */
function lacksMaterial({ materials }: KeyRecord): boolean {
  return materials.length === 0 || materials.some(({ imported }) => imported?.present === false);
}

/** Returns when the first of a key's imported materials expires, in epoch seconds. @returns undefined if none does */
export function earliestExpiry({ materials }: KeyRecord): number | undefined {
  const times = materials.flatMap(({ imported }) => imported?.validTo ?? []);
  return times.length > 0 ? Math.min(...times) : undefined;
}

/** Looks up a state in the table. */
export function verdictOf(row: StateRow, state: KeyState): Verdict {
  return (rows[row] as Row)[state] ?? 'invalid-state';
}

/**
 * Checks that a key's state allows an operation.
 * @param state the state with the material that the operation uses, if that is not the current one
 * @throws KeyError with the code in the table
 */
export function checkState(key: StatefulKey, row: StateRow, state = key.state): void {
  const verdict = verdictOf(row, state);
  if (verdict === 'ok') return;
  throw new KeyError(verdict, `${key.arn} ${sentenceOf(key, verdict, state)}`);
}

/** AWS KMS's messages, on which clients rely. */
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
