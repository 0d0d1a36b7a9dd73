// The answer to GetStatus, put together from the daemon's parts.
import type { DueAct } from '../../proto/generated/messages.js';
import type { AuditLog } from '../audit/audit-log.js';
import type { Sinks } from '../audit/sinks/sinks.js';
import { earliestExpiry, type Key, type Keyring, type KeyStores } from '../keys/index.js';
import type { Health } from '../observability/health.js';
import type { ResponseOf } from '../pipeline/operation.js';
import type { Expiry } from './certificate-expiry.js';
import { version } from './version.js';

/** Maximum number of scheduled actions in an answer. */
const shownActs = 10;

/** What the answer is put together from. */
export interface StatusParts {
  readonly health: Health;
  readonly region: string;
  readonly profile: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** Expiries of certificates and revocation lists. */
  readonly expiries: readonly Expiry[];
  readonly stores: KeyStores;
  readonly audit: AuditLog;
  readonly sinks: Sinks;
  readonly keyring: Keyring;
}

/** Puts the answer together. */
export function statusOf(parts: StatusParts): ResponseOf<'GetStatus'> {
  const { health, region, profile, startedAt, stores, audit, sinks, keyring } = parts;
  const { workers } = stores;
  const counts = new Map<string, number>();
  const due: DueAct[] = parts.expiries.map(({ setting, notAfter }) => ({
    kind: 'certificate',
    subject: setting,
    date: notAfter / 1000,
  }));
  for (const keyId of keyring.keyIds()) {
    const key = keyring.key(keyId);
    if (!key) continue;
    counts.set(key.state, (counts.get(key.state) ?? 0) + 1);
    due.push(...actsOf(key));
  }
  return {
    version,
    startDate: startedAt / 1000,
    region,
    profile,
    healthy: health.healthy,
    warnings: [...health.warnings],
    keyStores: Object.entries(health.keyStores).map(([name, state]) => {
      const found = workers.get(name);
      return { name, state, readyWorkers: found?.ready, workers: found?.wanted };
    }),
    audit: {
      available: audit.available,
      sequence: audit.head.sequence,
      sinks: Object.entries(sinks.status).map(([name, { recordsBehind, lastError }]) => ({
        name,
        recordsBehind,
        lastError,
      })),
    },
    keys: [...counts].map(([state, count]) => ({ state, count })),
    due: due.sort((a, b) => a.date - b.date).slice(0, shownActs),
    dueCount: due.length,
  };
}

/** The scheduled actions of a key. */
function actsOf({ record }: Key): DueAct[] {
  const { keyId, deletion, rotation, enabled } = record;
  const dates = {
    deletion: deletion?.at,
    rotation: enabled && !deletion ? rotation?.nextAt : undefined,
    expiry: earliestExpiry(record),
  };
  return Object.entries(dates).flatMap(([kind, date]) =>
    date === undefined ? [] : [{ kind, subject: keyId, date }],
  );
}
