// Which operations a key's state lets through: the table "Key state × operation" of the API, as data.
import { type ErrorCode, ServiceError } from '../../proto/errors.js';
import type { KeyState } from '../../proto/generated/messages.js';
import type { Key } from './keyring.js';

type Verdict = 'ok' | ErrorCode;

type Row = Readonly<Partial<Record<KeyState, Verdict>>>;

/** Rows by what the operation does; a state that a row does not name is refused with KMSInvalidStateException. */
const rows = {
  cryptographic: { Enabled: 'ok', Disabled: 'DisabledException' },
  read: { Enabled: 'ok', Disabled: 'ok', PendingImport: 'ok', PendingDeletion: 'ok', Unavailable: 'ok' },
  modify: { Enabled: 'ok', Disabled: 'ok', PendingImport: 'ok', Unavailable: 'ok' },
  enableDisable: { Enabled: 'ok', Disabled: 'ok', Unavailable: 'ok' },
} as const satisfies Record<string, Row>;

export type StateRow = keyof typeof rows;

/** @throws DisabledException, KMSInvalidStateException, UnsupportedOperationException as the table says */
export function checkState(key: Key, row: StateRow): void {
  const verdict = (rows[row] as Row)[key.state] ?? 'KMSInvalidStateException';
  if (verdict === 'ok') return;
  const message =
    verdict === 'DisabledException'
      ? `${key.arn} is disabled.`
      : `${key.arn} is in state ${key.state}, in which this operation is not allowed.`;
  throw new ServiceError(verdict, message);
}
