// Tries every key spec of the table on a token, each with keys that are destroyed at once.
import { randomBytes } from 'node:crypto';
import type { KeySpec, KeyUsageType } from '../../../proto/generated/messages.js';
import { HsmError, type KeyStore, type Lack, type ObjectId } from '../../hsm/key-store.js';
import { type Capability, capabilitiesOf } from './mechanisms.js';
import { usageIn } from './table.js';
import { trialsOf } from './algorithm-probe.js';

export interface Examined extends Capability {
  /** Milliseconds that one use took with both of its halves; where it was tried. */
  readonly milliseconds?: number;
}

export interface ExaminationOptions {
  /** Session keys, or token keys for modules that make no others. */
  readonly ofSession: boolean;
  /** Told of the CKA_ID before there is an object. */
  readonly before?: (id: ObjectId) => void;
  /** Told when nothing with it is left. */
  readonly after?: (id: ObjectId) => void;
}

/** @throws HsmError where the token is gone. Keys of which `after` was not told are still there. */
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
    // Some modules destroy nothing that a failed operation still holds. Session keys go with the session, token keys on
    // the next connection.
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
  // The token is gone, which says nothing of what it can do.
  if (['disconnected', 'timeout', 'overloaded', 'login-refused', 'pin-locked'].includes(error.code))
    throw error;
  return `attempt failed: ${error.message}`;
}

/** What a profile says of what its module lacks; what Keyhold itself has not is no lack of a module. */
export function lacksOf(rows: readonly Examined[]): Lack[] {
  return byUsage(rows.filter(({ lackedBy }) => lackedBy !== 'keyhold')).flatMap((group): Lack[] => {
    const { keySpec, keyUsage, reason = '' } = group[0]!;
    if (group.every((row) => !row.supported && row.reason === reason)) return [{ keySpec, keyUsage, reason }];
    return group
      .filter(({ supported }) => !supported)
      .map((row) => ({ keySpec, keyUsage, algorithm: row.algorithm, reason: row.reason ?? '' }));
  });
}
