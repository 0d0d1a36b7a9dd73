// Tries every key spec of the table on a token, with keys that are destroyed at once.
import { randomBytes } from 'node:crypto';
import type { KeySpec, KeyUsageType } from '../../../proto/generated/messages.js';
import { HsmError, type KeyStore, type ObjectId } from '../../hsm/key-store.js';
import type { Lack } from '../../hsm/token-description.js';
import { type Capability, capabilitiesOf } from './mechanisms.js';
import { usageIn } from './table.js';
import { trialsOf } from './algorithm-probe.js';

/** The result of a trial. */
export interface Examined extends Capability {
  /** Duration of one use, such as signing and verifying; absent if it failed or was not tried. */
  readonly milliseconds?: number;
}

/** Options of {@link examine}. */
export interface ExaminationOptions {
  /** Whether to use session keys; some modules support only token keys. */
  readonly ofSession: boolean;
  /** Called with the CKA_ID before an object is created. */
  readonly before?: (id: ObjectId) => void;
  /** Called when all objects with the CKA_ID are destroyed. */
  readonly after?: (id: ObjectId) => void;
}

/**
 * Tries every key spec that a token may support.
 * @throws HsmError if the token is gone. Keys for which `after` was not called still exist then.
 */
export async function examine(store: KeyStore, options: ExaminationOptions): Promise<Examined[]> {
  const rows: Examined[] = [];
  for (const group of byUsage(capabilitiesOf(store)))
    rows.push(...(await examineUsage(store, group, options)));
  return rows;
}

function byUsage<Row extends Capability>(rows: readonly Row[]): Row[][] {
  const usages = new Map<string, Row[]>();
  for (const row of rows) {
    const name = `${row.keySpec} ${row.keyUsage}`;
    usages.set(name, [...(usages.get(name) ?? []), row]);
  }
  return [...usages.values()];
}

async function examineUsage(
  store: KeyStore,
  rows: readonly Capability[],
  { ofSession, before, after }: ExaminationOptions,
): Promise<Examined[]> {
  const { keySpec, keyUsage } = rows[0]!;
  if (!rows.some(({ supported }) => supported)) return [...rows];
  const usage = usageIn(store, keySpec as KeySpec, keyUsage as KeyUsageType)!;
  const id = randomBytes(16);
  before?.(id);
  try {
    await store.generate(id, 'keyhold/doctor', { ...usage.template, ofSession });
    const tried: Examined[] = [];
    for (const row of rows) {
      const trial = trialsOf(usage).find(({ algorithm }) => algorithm === row.algorithm);
      if (!row.supported || !trial) {
        tried.push(row);
        continue;
      }
      const began = performance.now();
      const fault = await trial
        .run(store, id)
        .then((works) => (works ? undefined : 'the module does it wrong'), reasonOf);
      const milliseconds = performance.now() - began;
      tried.push(fault === undefined ? { ...row, milliseconds } : refused(row, fault));
    }
    return tried;
  } catch (error) {
    const reason = reasonOf(error);
    return rows.map((row) => (row.supported ? refused(row, reason) : row));
  } finally {
    // Some modules cannot destroy an object that a failed operation still uses. Session keys disappear with the session;
    // token keys are destroyed on the next connection.
    await store.destroy(id).then(
      () => after?.(id),
      () => undefined,
    );
  }
}

function refused(row: Capability, reason: string): Examined {
  return { ...row, supported: false, lackedBy: 'module', reason };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof HsmError)) throw error;
  // The token is gone, which says nothing about its capabilities.
  if (['disconnected', 'timeout', 'overloaded', 'login-refused', 'pin-locked'].includes(error.code))
    throw error;
  return `attempt failed: ${error.message}`;
}

/** Returns the `lacks` of a profile: what the module does not support, without what Keyhold does not support. */
export function lacksOf(rows: readonly Examined[]): Lack[] {
  return byUsage(rows.filter(({ lackedBy }) => lackedBy !== 'keyhold')).flatMap((group): Lack[] => {
    const { keySpec, keyUsage, reason = '' } = group[0]!;
    if (group.every((row) => !row.supported && row.reason === reason)) return [{ keySpec, keyUsage, reason }];
    return group
      .filter(({ supported }) => !supported)
      .map((row) => ({ keySpec, keyUsage, algorithm: row.algorithm, reason: row.reason ?? '' }));
  });
}
