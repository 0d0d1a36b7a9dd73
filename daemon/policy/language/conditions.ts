// The Condition of a statement: all its operators, and all keys of each operator, must be true.
import { type Operator, operators, type Test } from './operators.js';
import type { Lookup } from './patterns.js';
import { type DocumentPath, quote } from './document-path.js';
import type { RawStatement } from './schema.js';
import { spend } from './work.js';

/** A condition: one key of one operator. */
export interface Condition {
  /** As written in the document. */
  readonly operator: string;
  readonly key: string;
  /** As written in the document. */
  readonly values: readonly string[];
  /** Whether `${…}` in the values is a variable. */
  readonly variables: boolean;
  readonly isTrue: (lookup: Lookup) => boolean;
  /** Steps for each unit of the request's value, for all values of the policy with wildcards or variables. */
  readonly cost: number;
}

/** Steps for a value of the request, regardless of its length. */
const perValue = 20;
/** Steps for a comparison that is not of texts. */
const perTest = 20;

type SetOperator = 'ForAllValues' | 'ForAnyValue';

/** An operator of a document: a row of the table, and what its name adds. */
interface NamedOperator extends Operator {
  readonly ifExists: boolean;
  readonly set: SetOperator | undefined;
}

/** Finds an operator by its name in a document, such as `ForAnyValue:StringLikeIfExists`. */
export function operatorNamed(name: string): NamedOperator | undefined {
  const [, set, base = '', ifExists] = operatorPattern.exec(name) ?? [];
  const operator = operators.get(base);
  return operator && { ...operator, ifExists: ifExists !== undefined, set: set as SetOperator | undefined };
}

/** Whether a condition with an operator is true for a request that has no value of its key. */
export function isTrueWhenAbsent({ negated, ifExists, set }: NamedOperator): boolean {
  return ifExists || (set === undefined ? negated : set === 'ForAllValues');
}

const operatorPattern = /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$/;
const keyPattern = /^[A-Za-z0-9-]+:./;

/**
 * Condition keys that are single-valued, but have several values if a request or a key has names that differ only in case,
 * such as the tags `team` and `Team`. AWS does not define which one counts: here an allow must be true for all, a deny for
 * one.
 */
const singleValuedFamily = /^(?:kms:encryptioncontext:|aws:(?:resource|request)tag\/|iam:resourcetag\/)/;

interface Options {
  readonly effect: 'Allow' | 'Deny';
  readonly variables: boolean;
}

/** Compiles a Condition element. @throws PolicyError (malformed-policy) */
export function compileConditions(
  block: NonNullable<RawStatement['Condition']>,
  options: Options,
  at: DocumentPath,
): Condition[] {
  return Object.entries(block).flatMap(([name, keys]) => {
    const place = at.member(name);
    const compile = compiler(name, options, place);
    return Object.entries(keys).map(([key, values]) => {
      const keyPlace = place.member(key);
      if (!keyPattern.test(key))
        keyPlace.fail(`The condition key must begin with a service, as in "kms:KeySpec" or "aws:SourceIp".`);
      return {
        operator: name,
        key,
        values,
        variables: options.variables,
        ...compile(key.toLowerCase(), values, keyPlace),
      };
    });
  });
}

type Compiled = Pick<Condition, 'isTrue' | 'cost'>;
type Compile = (key: string, values: readonly string[], at: DocumentPath) => Compiled;

function compiler(name: string, options: Options, at: DocumentPath): Compile {
  if (name === 'Null') return compileNull;
  const row = operatorNamed(name);
  if (row === undefined) {
    const isNull = operatorPattern.exec(name)?.[2] === 'Null';
    const hint = isNull ? ' Null takes neither IfExists nor a set operator.' : '';
    at.fail(`There is no condition operator ${quote(name)}.${hint}`);
  }
  return (key, values, place) => {
    const valuePlace = (index: number) => (values.length === 1 ? place : place.item(index));
    const tests = values.map((value, index) => row.compile(value, options.variables, valuePlace(index)));
    const all = tests.reduce((sum, { cost = 0 }) => sum + cost, 0);
    return { isTrue: compare(key, tests, row, options.effect), cost: all };
  };
}

function compileNull(key: string, values: readonly string[], at: DocumentPath): Compiled {
  const wanted = values.map((value) => {
    const lower = value.toLowerCase();
    return lower === 'true' || lower === 'false' ? lower === 'true' : at.fail('Null takes true or false.');
  });
  return { isTrue: (lookup) => wanted.includes(!lookup(key)?.length), cost: 0 };
}

function compare(
  key: string,
  tests: readonly Test[],
  operator: NamedOperator,
  effect: 'Allow' | 'Deny',
): Condition['isTrue'] {
  const { negated, set, ignoreCase } = operator;
  // A request may bring thousands of values, and a policy have thousands of texts.
  const literals = new Set(tests.flatMap(({ literal }) => literal ?? []));
  const patterns = tests.filter(({ literal }) => literal === undefined);
  const isAmbiguous = singleValuedFamily.test(key);
  const whenAbsent = isTrueWhenAbsent(operator);
  const holds = (actual: string, lookup: Lookup): boolean => {
    spend(perValue + (ignoreCase ? actual.length : 0));
    const isNamed = literals.size > 0 && literals.has(ignoreCase ? actual.toLowerCase() : actual);
    const matched = isNamed || matchesAny(patterns, actual, lookup);
    // It is undefined whether a value differs from a variable without a value. Then the statement must not allow.
    if (matched === undefined) return negated && effect === 'Deny';
    return matched !== negated;
  };
  return (lookup) => {
    const actuals = lookup(key);
    if (actuals === undefined || actuals.length === 0) return whenAbsent;
    if (actuals.length === 1) {
      // Set operators treat an empty value as none (IAM User Guide, "Evaluation logic for condition set operators").
      if (set !== undefined && actuals[0] === '') return whenAbsent;
      return holds(actuals[0]!, lookup);
    }
    // Without a set operator, a negated operator means that none of the values matches.
    const all = set !== undefined ? set === 'ForAllValues' : isAmbiguous ? effect === 'Allow' : negated;
    return all
      ? actuals.every((actual) => holds(actual, lookup))
      : actuals.some((actual) => holds(actual, lookup));
  };
}

function matchesAny(tests: readonly Test[], actual: string, lookup: Lookup): boolean | undefined {
  let result: boolean | undefined = false;
  for (const test of tests) {
    if (test.cost === undefined) spend(perTest);
    const matched = test(actual, lookup);
    if (matched) return true;
    if (matched === undefined) result = undefined;
  }
  return result;
}
