// The mechanisms that the key spec table needs.
import type { KeySpec, KeyUsageType } from '../../../proto/generated/messages.js';
import type { StoreTraits } from '../../hsm/token-description.js';
import { keySpecs, mechanismName, mechanismsOf, usageIn } from '../../keys/index.js';
import type { MechanismEntry } from './inventory.js';

/** Whether a token has a mechanism that Keyhold needs. */
export type Availability = 'there' | 'avoided' | 'missing';

/** A mechanism that Keyhold needs, and the key specs that need it. */
export interface NeededMechanism {
  /** CKM number, and its name. */
  readonly type: number;
  readonly name: string;
  /** `avoided`: the module has it, but its profile excludes it. */
  readonly availability: Availability;
  readonly keySpecs: readonly string[];
}

/**
 * Compares the key spec table with the mechanisms of a token.
 * @param present the mechanisms of the token
 * @param avoided names of CKM constants, or numbers as `0x…`, from the profile
 * @param traits properties of keys from the profile
 */
export function neededMechanisms(
  present: readonly MechanismEntry[],
  avoided: readonly string[],
  traits: StoreTraits,
): NeededMechanism[] {
  const there = new Map(present.map(({ type, name }) => [type, name]));
  const specs = new Map<number, Set<string>>();
  for (const [keySpec, { usages, unsupported }] of Object.entries(keySpecs)) {
    if (unsupported !== undefined) continue;
    for (const keyUsage of Object.keys(usages)) {
      const usage = usageIn({ traits }, keySpec as KeySpec, keyUsage as KeyUsageType)!;
      for (const type of mechanismsOf(usage, { traits }))
        specs.set(type, (specs.get(type) ?? new Set()).add(keySpec));
    }
  }
  return [...specs].map(([type, needing]) => {
    const isAvoided = avoided.some((name) => name === mechanismName(type) || Number(name) === type);
    const availability = !there.has(type) ? 'missing' : isAvoided ? 'avoided' : 'there';
    return { type, name: there.get(type) ?? mechanismName(type), availability, keySpecs: [...needing] };
  });
}
