// The table of condition operators (IAM User Guide, "IAM JSON policy elements: Condition operators").
import { ArnPattern } from './arn-patterns.js';
import { IpRange } from './ip-ranges.js';
import { type Lookup, Pattern } from './patterns.js';
import { type DocumentPath, quote } from './document-path.js';

/** Compares a value of the request with one of the policy; undefined if a variable of that has no single value. */
export interface Test {
  (actual: string, lookup: Lookup): boolean | undefined;
  /** The value itself if it has no wildcards and variables; in lower case if case is ignored. */
  readonly literal?: string | undefined;
  /** Steps for each unit of the request's value, if it has wildcards or variables. */
  readonly cost?: number;
}

/** A condition operator. */
export interface Operator {
  /** Whether case is ignored. */
  readonly ignoreCase?: boolean;
  /** Whether it is true for values that do not match, and without a value. */
  readonly negated: boolean;
  /** What a value that matches does, for explanations. `%` stands for the policy's values, which are quoted if it is. */
  readonly phrase: string;
  /**
   * Compiles a value of the policy.
   * @param variables whether `${…}` in it is a variable
   * @throws PolicyError (malformed-policy) for a value that is not of the operator's type
   */
  compile(value: string, variables: boolean, at: DocumentPath): Test;
}

function text(wildcards: boolean, ignoreCase: boolean): Operator['compile'] {
  return (value, variables, at) => {
    const pattern = Pattern.parse(value, { wildcards, variables, ignoreCase }, at);
    const test = (actual: string, lookup: Lookup) => pattern.matches(actual, lookup);
    return Object.assign(test, { literal: pattern.literal, cost: pattern.cost });
  };
}

function arn(value: string, variables: boolean, at: DocumentPath): Test {
  const pattern = ArnPattern.parse(value, variables, at);
  const test = (actual: string, lookup: Lookup) => pattern.matches(actual, lookup);
  return Object.assign(test, { cost: pattern.cost });
}

/** Operators that compare both values as numbers. A value of the request that is not one matches nothing. */
function ordered(
  readAnew: (text: string) => number | undefined,
  what: string,
  compare: (actual: number, expected: number) => boolean,
): Operator['compile'] {
  const read = rememberingLast(readAnew);
  return (value, _variables, at) => {
    const expected = read(value) ?? at.fail(`${quote(value)} is not a ${what}.`);
    return (text) => {
      const actual = read(text);
      return actual !== undefined && compare(actual, expected);
    };
  };
}

/** Caches the last result: each value of the policy is compared with the same, perhaps long, value of the request. */
function rememberingLast<T>(read: (text: string) => T): (text: string) => T {
  let last: { readonly text: string; readonly value: T } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, value: read(text) };
    return last.value;
  };
}

const decimal = /^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;

function readNumber(text: string): number | undefined {
  return decimal.test(text) ? Number(text) : undefined;
}

/** A year, month or day, or a time with its zone: W3C NOTE-datetime, the profile of ISO 8601 that IAM names. */
const date =
  /^[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2}))?)?)?$/;

/** Parses a date or epoch seconds to epoch milliseconds; four digits are a year. */
function readDate(text: string): number | undefined {
  if (!date.test(text)) {
    const seconds = readNumber(text);
    return seconds === undefined ? undefined : seconds * 1000;
  }
  const milliseconds = Date.parse(text);
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
}

function readBoolean(text: string): number | undefined {
  const lower = text.toLowerCase();
  return lower === 'true' ? 1 : lower === 'false' ? 0 : undefined;
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const bytesOf = rememberingLast((text) => (base64.test(text) ? Buffer.from(text, 'base64') : undefined));

function binary(value: string, _variables: boolean, at: DocumentPath): Test {
  if (!base64.test(value)) at.fail(`${quote(value)} is not base64.`);
  const expected = Buffer.from(value, 'base64');
  return (actual) => bytesOf(actual)?.equals(expected) === true;
}

function address(value: string, _variables: boolean, at: DocumentPath): Test {
  const range =
    IpRange.parse(value) ??
    at.fail(`${quote(value)} is not an IP address or range, such as "192.0.2.0/24" or "2001:db8::/32".`);
  return (actual) => range.includes(actual);
}

const equal = (actual: number, expected: number) => actual === expected;

/** An operator and its opposite. */
function pair(
  name: string,
  opposite: string,
  phrase: string,
  compile: Operator['compile'],
  ignoreCase = false,
): [string, Operator][] {
  return [
    [name, { negated: false, phrase, compile, ignoreCase }],
    [opposite, { negated: true, phrase, compile, ignoreCase }],
  ];
}

function comparisons(
  family: string,
  read: (text: string) => number | undefined,
  what: string,
  [less, most, greater, least]: readonly [string, string, string, string],
): [string, Operator][] {
  const row = (
    name: string,
    phrase: string,
    compare: (actual: number, expected: number) => boolean,
  ): [string, Operator] => [
    `${family}${name}`,
    { negated: false, phrase: `be ${phrase} %`, compile: ordered(read, what, compare) },
  ];
  return [
    ...pair(`${family}Equals`, `${family}NotEquals`, 'be %', ordered(read, what, equal)),
    row('LessThan', less, (actual, expected) => actual < expected),
    row('LessThanEquals', most, (actual, expected) => actual <= expected),
    row('GreaterThan', greater, (actual, expected) => actual > expected),
    row('GreaterThanEquals', least, (actual, expected) => actual >= expected),
  ];
}

/** The operators by name, except `Null`, which compares nothing. */
export const operators: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ...pair('StringEquals', 'StringNotEquals', 'be "%"', text(false, false)),
  ...pair(
    'StringEqualsIgnoreCase',
    'StringNotEqualsIgnoreCase',
    'be "%" in any case',
    text(false, true),
    true,
  ),
  ...pair('StringLike', 'StringNotLike', 'match "%"', text(true, false)),
  ...comparisons('Numeric', readNumber, 'number', ['less than', 'at most', 'greater than', 'at least']),
  ...comparisons('Date', readDate, 'date, such as "2030-01-31T12:00:00Z", or epoch seconds', [
    'before',
    'on or before',
    'after',
    'on or after',
  ]),
  ['Bool', { negated: false, phrase: 'be %', compile: ordered(readBoolean, 'Boolean', equal) }],
  ['BinaryEquals', { negated: false, phrase: 'be "%"', compile: binary }],
  ...pair('IpAddress', 'NotIpAddress', 'be in %', address),
  ...pair('ArnEquals', 'ArnNotEquals', 'match "%"', arn),
  ...pair('ArnLike', 'ArnNotLike', 'match "%"', arn),
]);
