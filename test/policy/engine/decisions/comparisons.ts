// Each line is two decisions: a statement with the condition allows, and a statement with it denies, if and only if the
// condition is true. From "IAM JSON policy elements: Condition operators" and "Single-valued vs. multivalued context keys".
import { allow, deny, type Row } from '../world.js';

type Value = string | number | boolean | readonly (string | number | boolean)[];

/** Operator, value in the policy, value in the request (undefined: none), whether the condition is true, and why. */
type Comparison = readonly [string, Value, string | readonly string[] | undefined, boolean, string];

export function rowsOf(comparisons: readonly Comparison[]): Row[] {
  return comparisons.flatMap(([operator, expected, actual, isTrue, why]) => {
    const it = `${operator} ${JSON.stringify(expected)} of ${JSON.stringify(actual)}: ${why}`;
    const Condition = { [operator]: { 'kms:Value': expected } };
    const context = actual === undefined ? undefined : { 'kms:Value': actual };
    const allowed = allow({ Principal: '*', Condition });
    const denied = deny({ Principal: '*', Condition });
    return [
      {
        it: `allow if ${it}`,
        who: 'alice',
        key: [allowed],
        context,
        expect: isTrue ? 'allow key[0]' : 'none key',
      },
      {
        it: `deny if ${it}`,
        who: 'alice',
        key: [denied, allow({ Principal: '*' })],
        context,
        expect: isTrue ? 'deny key[0]' : 'allow key[1]',
      },
    ] satisfies Row[];
  });
}
