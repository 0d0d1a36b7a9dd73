// Tries all attacks on a module. One that lets an attack through cannot be linked.
import pkcs11 from 'pkcs11js';
import { HsmError } from '../key-store.js';
import { meaningOf, returnValueOf, toHsmError } from '../pkcs11/return-values.js';
import { attacks } from './attacks/list.js';

import { type CeremonyPins, makeTransportKey, makeWrappingPair } from './ceremony-keys.js';
import { type Attack, prepareRange, type Range } from './attacks/attack.js';
import { type CeremonyToken, OfficerSession } from './officer-session.js';

/** The outcome of an attack. `unclear`: the module failed for a reason that is no refusal. */
export type Verdict = 'refused' | 'let through' | 'unclear';

/** An attack that was tried. */
export interface TriedAttack extends Pick<Attack, 'name' | 'source'> {
  readonly verdict: Verdict;
  /** The name of the module's return value; absent if it returned CKR_OK. */
  readonly returned?: string;
  /** Whether {@link returned} is among the values that the attack expects. */
  readonly asExpected: boolean;
}

/** Tries all attacks. @throws nothing that a module returns: each outcome is in the result */
export function tryAttacks(range: Range): readonly TriedAttack[] {
  return attacks.map((attack) => ({ name: attack.name, source: attack.source, ...outcome(attack, range) }));
}

function outcome(attack: Attack, range: Range): Pick<TriedAttack, 'verdict' | 'returned' | 'asExpected'> {
  try {
    const gained = attack.attempt(range);
    return { verdict: gained ? 'let through' : 'refused', asExpected: !gained };
  } catch (error) {
    const returned = returnValueOf(error);
    if (returned === undefined) throw error;
    const asExpected = attack.expected.includes(returned.value);
    const meaning = meaningOf(error);
    const isRefusal = asExpected || !(meaning?.unexplained || meaning?.sessionLost);
    return { verdict: isRefusal ? 'refused' : 'unclear', returned: nameOf(returned), asExpected };
  }
}

// pkcs11js calls every value that it does not know CKR_VENDOR_DEFINED.
function nameOf({ name, value }: { readonly name: string; readonly value: number }): string {
  const known = Object.entries(pkcs11).find(([key, each]) => key.startsWith('CKR_') && each === value);
  return known?.[0] ?? (value === 0x1b ? 'CKR_ACTION_PROHIBITED' : `${name} (0x${value.toString(16)})`);
}

/** Describes the attacks that speak against a link; empty if none does. */
export function objections(tried: readonly TriedAttack[]): readonly string[] {
  return tried
    .filter(({ verdict }) => verdict !== 'refused')
    .map(({ name, source, verdict, returned }) =>
      verdict === 'let through'
        ? `The module lets an attack through: somebody with the PIN ${name} (${source}).`
        : `It is unclear whether the module refuses an attack: somebody with the PIN ${name} (${source}); it returned ${returned}.`,
    );
}

/**
 * Tries whether a token can be linked. All objects are session objects, so nothing is left.
 * @returns the attacks that were tried
 * @throws HsmError 'unsupported' if the officer makes no trusted key, or the module does not wrap and unwrap as a link needs;
 * 'login-refused'
 */
export async function assess(
  settings: CeremonyToken,
  { officer, user }: CeremonyPins,
): Promise<readonly TriedAttack[]> {
  const opened = OfficerSession.open(settings);
  try {
    const transport = await opened.as('officer', officer, () => makeTransportKey(opened));
    return await opened.as('user', user, () => tried(opened, transport, makeWrappingPair(opened)));
  } catch (error) {
    throw toHsmError(error);
  } finally {
    opened.close();
  }
}

/** Like {@link assess}, in a session that is logged in as the user. @param transport it is used up */
export function tried(
  opened: OfficerSession,
  transport: Buffer,
  wrapping: Range['wrapping'],
): readonly TriedAttack[] {
  let range: Range;
  try {
    range = prepareRange(opened, transport, wrapping);
  } catch (error) {
    throw new HsmError(
      'unsupported',
      `The module cannot be linked, because it does not wrap and unwrap keys as a link needs: ${toHsmError(error).message}`,
    );
  }
  try {
    return tryAttacks(range);
  } finally {
    const { send, receive, material, privateKey, own } = range;
    opened.destroy([send, receive, material, privateKey, own]);
  }
}
