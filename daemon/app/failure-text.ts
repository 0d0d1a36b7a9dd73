import { AuditError } from '../audit/audit-log.js';
import { ConfigError } from '../config/load.js';
import { fileFault } from '../files/fs-errors.js';
import { HsmError } from '../hsm/key-store.js';
import { StoreError } from '../store/store.js';
import { ListenError } from '../transports/listener.js';

const known = [ConfigError, HsmError, StoreError, AuditError, ListenError];

/** Why the daemon ends, for an operator: a sentence if the error is a known one, else its stack. */
export function failureText(error: unknown): string {
  const isKnown = known.some((each) => error instanceof each);
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return fileFault(error) ?? (isKnown || !stack ? message : stack);
}
