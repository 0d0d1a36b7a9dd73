// The health report of the daemon, put together from its parts.
import type { AuditLog } from '../audit/audit-log.js';
import type { Sinks } from '../audit/sinks/sinks.js';
import { foreignObjects, type Inspection, type Keyring, type KeyStores } from '../keys/index.js';
import { Health } from '../observability/health.js';

/** What a health report is put together from. */
export interface HealthParts {
  readonly stores: KeyStores;
  readonly audit: AuditLog;
  readonly sinks: Sinks;
  readonly keyring: Keyring;
  /** The objects of the default token at the start. */
  readonly inspection: Inspection;
  /** What keeps requests from being served: the daemon is not healthy while there is any. */
  readonly problems: readonly string[];
  /** Warnings of all other parts. */
  readonly warnings: readonly string[];
}

/** Puts the health report together. */
export function healthOf({
  stores,
  audit,
  sinks,
  keyring,
  inspection,
  problems,
  warnings: others,
}: HealthParts): Health {
  const { missing, unclaimed, foreign } = inspection;
  const warnings = keyring.stillMissing(missing).map((each) => `the token does not hold ${each}`);
  if (audit.available && audit.fault !== undefined) warnings.push(audit.fault);
  warnings.push(...stores.warnings, ...sinks.warnings, ...others, ...unclaimedWarnings(unclaimed, keyring));
  if (foreign > 0) warnings.push(`the token contains ${foreignObjects(foreign)}`);
  const faults: string[] = [];
  if (stores.main.state !== 'connected')
    faults.push(`the default key store is ${stores.main.state}: see the log`);
  else if (stores.main.hangs)
    faults.push('all workers of the default key store hang in the HSM module: see the log');
  if (!audit.available)
    faults.push(audit.fault ?? 'the audit log cannot be written, so requests are refused: see the log');
  faults.push(...problems);
  return new Health(faults, warnings, {
    keyStores: stores.states,
    audit: { available: audit.available, sinks: sinks.status, ...audit.head },
  });
}

/** Warnings about key material that no record names. */
function unclaimedWarnings(unclaimed: Inspection['unclaimed'], keyring: Keyring): string[] {
  const counts = new Map<string, number>();
  for (const { keyId } of unclaimed) counts.set(keyId, (counts.get(keyId) ?? 0) + 1);
  return [...counts].map(([keyId, count]) => {
    const title = `the token holds ${count} ${count === 1 ? 'material' : 'materials'} of key ${keyId} that no record names`;
    return keyring.key(keyId)
      ? `${title}: 'keyhold recover materials ${keyId}' takes them up`
      : `${title}, nor is there a record of the key`;
  });
}
