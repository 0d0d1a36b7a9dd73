// Says what conditions ask of a request and what the request has instead, for people who may read policies.
import { quote, shown } from '../../../proto/text.js';
import { type Condition, isTrueWhenAbsent, operatorNamed } from '../language/conditions.js';
import type { Lookup } from '../language/patterns.js';

/** Maximum number of values in a sentence; more are counted. */
const maxValues = 3;
/** Maximum number of UTF-16 units of a value in a sentence. */
const longestValue = 80;

/** What a condition, or its opposite, asks of a request. */
export interface Requirement {
  /** After the condition key: `must be "a"`. */
  readonly must: string;
  /** A clause: `kms:KeySpec is "a"`. */
  readonly clause: string;
}

/** Joins quoted values: `"a", "b" or 2 others`. */
export function valueList(values: readonly string[], word: 'and' | 'or'): string {
  const texts = values.slice(0, maxValues).map((value) => quote(value, longestValue));
  return joined(texts, values.length, word);
}

/** Says which values of a condition key a request has: `is "b"`, or `is absent`. */
export function presence(values: readonly string[] | undefined): string {
  if (values === undefined || values.length === 0) return 'is absent';
  return values.length === 1
    ? `is ${valueList(values, 'and')}`
    : `has the values ${valueList(values, 'and')}`;
}

/**
 * Says what a request must have for a condition to be true.
 * @param isTrue false: for the condition not to be true
 * @returns undefined if no request has it
 */
export function requirementOf(
  condition: Condition,
  isTrue: boolean,
  lookup: Lookup,
): Requirement | undefined {
  const key = shown(condition.key, longestValue);
  const operator = operatorNamed(condition.operator);
  if (operator === undefined) return nullRequirement(condition, isTrue, key);
  const not = operator.negated === isTrue;
  const quantifier = operator.set && ((operator.set === 'ForAllValues') === isTrue ? 'all' : 'one');
  const [verb = '', ...rest] = phraseOf(condition, operator.phrase, lookup).split(' ');
  const object = rest.join(' ');
  const isAbsentRight = isTrueWhenAbsent(operator) === isTrue;
  // How a reader understands the sentence without another word about absence.
  const isUnderstood = quantifier === undefined ? not : quantifier === 'all';
  const [mustEnd, clauseEnd] =
    isAbsentRight === isUnderstood
      ? ['', '']
      : isAbsentRight
        ? [' or be absent', ' or is absent']
        : [' and have a value', ' and has a value'];
  const subject = { all: 'all of its values ', one: 'one of its values ', '': '' }[quantifier ?? ''];
  const clauseSubject = { all: `every value of ${key}`, one: `a value of ${key}`, '': key }[quantifier ?? ''];
  return {
    must: `${subject}must ${not ? 'not ' : ''}${verb} ${object}${mustEnd}`,
    clause: `${clauseSubject} ${indicative(verb, not)} ${object}${clauseEnd}`,
  };
}

function nullRequirement({ values }: Condition, isTrue: boolean, key: string): Requirement | undefined {
  const wanted = new Set(values.map((value) => value.toLowerCase() === 'true'));
  // With both values it is always true, and without any never.
  if (wanted.size !== 1) return undefined;
  return wanted.has(true) === isTrue
    ? { must: 'must be absent', clause: `${key} is absent` }
    : { must: 'must have a value', clause: `${key} has a value` };
}

function indicative(verb: string, not: boolean): string {
  if (verb === 'be') return not ? 'is not' : 'is';
  return not ? `does not ${verb}` : `${verb}es`;
}

function phraseOf({ values, variables }: Condition, phrase: string, lookup: Lookup): string {
  const isQuoted = phrase.includes('"%"');
  const texts = values.slice(0, maxValues).map((value) => {
    if (!isQuoted) return shown(value, longestValue);
    return quote(value, longestValue) + (variables ? variableText(value, lookup) : '');
  });
  const list = texts.length === 0 ? 'no value at all' : joined(texts, values.length, 'or');
  return phrase.replace(/"%"|%/, () => list);
}

/** Says what the variables of a value stand for in this request. */
function variableText(value: string, lookup: Lookup): string {
  const names = [...value.matchAll(/\$\{([A-Za-z0-9-]+:[^{}$*?',]+)[^}]*\}/g)].map(([, name = '']) => name);
  const texts = [...new Set(names)].slice(0, maxValues).map((name) => {
    return `${shown(name, longestValue)} ${presence(lookup(name.trim().toLowerCase()))}`;
  });
  return texts.length === 0 ? '' : ` (${texts.join(', ')})`;
}

function joined(texts: readonly string[], count: number, word: 'and' | 'or'): string {
  const others = count - texts.length;
  const all = others > 0 ? [...texts, `${others} ${others === 1 ? 'other' : 'others'}`] : texts;
  return all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} ${word} ${all.at(-1)}`;
}
