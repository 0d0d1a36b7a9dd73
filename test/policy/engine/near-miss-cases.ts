// Conditions of each operator that a request fails, with the words in which a near miss tells of them.
import { names, type Row } from './world.js';

/** Condition keys and their values. */
export type Context = NonNullable<Row['context']>;

/** A condition that fails, and what is said of it. */
export interface Case {
  readonly operator: string;
  readonly wants: unknown;
  readonly has: Context[string] | undefined;
  /** After the name of the condition key. */
  readonly says: string;
  /** A value with which the statement allows. */
  readonly give: Context[string] | undefined;
  /** After `It does not where`, in a deny that applies to `give`. */
  readonly deny: string;
}

/** The condition key of each case. */
export const project = 'kms:EncryptionContext:project';
const X = project;

/** At least one for each operator. */
export const cases: readonly Case[] = [
  {
    operator: 'StringEquals',
    wants: 'a',
    has: 'b',
    give: 'a',
    says: 'is "b" and must be "a"',
    deny: `${X} is not "a"`,
  },
  {
    operator: 'StringEquals',
    wants: ['a', 'c'],
    has: undefined,
    give: 'c',
    says: 'is absent and must be "a" or "c"',
    deny: `${X} is not "a" or "c"`,
  },
  {
    operator: 'StringEquals',
    wants: ['1', '2', '3', '4', '5'],
    has: 'b',
    give: '5',
    says: 'is "b" and must be "1", "2", "3" or 2 others',
    deny: `${X} is not "1", "2", "3" or 2 others`,
  },
  {
    operator: 'StringNotEquals',
    wants: 'b',
    has: 'b',
    give: undefined,
    says: 'is "b" and must not be "b"',
    deny: `${X} is "b"`,
  },
  {
    operator: 'StringEqualsIgnoreCase',
    wants: 'A',
    has: 'b',
    give: 'a',
    says: 'is "b" and must be "A" in any case',
    deny: `${X} is not "A" in any case`,
  },
  {
    operator: 'StringNotEqualsIgnoreCase',
    wants: 'B',
    has: 'b',
    give: 'a',
    says: 'is "b" and must not be "B" in any case',
    deny: `${X} is "B" in any case`,
  },
  {
    operator: 'StringLike',
    wants: 'a*',
    has: 'b',
    give: 'ab',
    says: 'is "b" and must match "a*"',
    deny: `${X} does not match "a*"`,
  },
  {
    operator: 'StringNotLike',
    wants: 'b*',
    has: 'bc',
    give: 'a',
    says: 'is "bc" and must not match "b*"',
    deny: `${X} matches "b*"`,
  },
  {
    operator: 'NumericEquals',
    wants: 5,
    has: '6',
    give: '5',
    says: 'is "6" and must be 5',
    deny: `${X} is not 5`,
  },
  {
    operator: 'NumericNotEquals',
    wants: 5,
    has: '5',
    give: '6',
    says: 'is "5" and must not be 5',
    deny: `${X} is 5`,
  },
  {
    operator: 'NumericLessThan',
    wants: 5,
    has: '5',
    give: '4',
    says: 'is "5" and must be less than 5',
    deny: `${X} is not less than 5`,
  },
  {
    operator: 'NumericLessThanEquals',
    wants: 5,
    has: '6',
    give: '5',
    says: 'is "6" and must be at most 5',
    deny: `${X} is not at most 5`,
  },
  {
    operator: 'NumericGreaterThan',
    wants: 5,
    has: '5',
    give: '6',
    says: 'is "5" and must be greater than 5',
    deny: `${X} is not greater than 5`,
  },
  {
    operator: 'NumericGreaterThanEquals',
    wants: 5,
    has: undefined,
    give: '5',
    says: 'is absent and must be at least 5',
    deny: `${X} is not at least 5`,
  },
  {
    operator: 'DateEquals',
    wants: '2030-01-01',
    has: '2031-01-01',
    give: '2030-01-01',
    says: 'is "2031-01-01" and must be 2030-01-01',
    deny: `${X} is not 2030-01-01`,
  },
  {
    operator: 'DateNotEquals',
    wants: '2030-01-01',
    has: '2030-01-01',
    give: '2031-01-01',
    says: 'is "2030-01-01" and must not be 2030-01-01',
    deny: `${X} is 2030-01-01`,
  },
  {
    operator: 'DateLessThan',
    wants: '2030-01-01',
    has: '2030-01-01',
    give: '2029-01-01',
    says: 'is "2030-01-01" and must be before 2030-01-01',
    deny: `${X} is not before 2030-01-01`,
  },
  {
    operator: 'DateLessThanEquals',
    wants: '2030-01-01',
    has: '2031-01-01',
    give: '2030-01-01',
    says: 'is "2031-01-01" and must be on or before 2030-01-01',
    deny: `${X} is not on or before 2030-01-01`,
  },
  {
    operator: 'DateGreaterThan',
    wants: '2030-01-01',
    has: '2030-01-01',
    give: '2031-01-01',
    says: 'is "2030-01-01" and must be after 2030-01-01',
    deny: `${X} is not after 2030-01-01`,
  },
  {
    operator: 'DateGreaterThanEquals',
    wants: '2030-01-01',
    has: '2029-01-01',
    give: '2030-01-01',
    says: 'is "2029-01-01" and must be on or after 2030-01-01',
    deny: `${X} is not on or after 2030-01-01`,
  },
  {
    operator: 'Bool',
    wants: true,
    has: 'false',
    give: 'true',
    says: 'is "false" and must be true',
    deny: `${X} is not true`,
  },
  {
    operator: 'BinaryEquals',
    wants: 'YQ==',
    has: 'Yg==',
    give: 'YQ==',
    says: 'is "Yg==" and must be "YQ=="',
    deny: `${X} is not "YQ=="`,
  },
  {
    operator: 'IpAddress',
    wants: '192.0.2.0/24',
    has: '198.51.100.1',
    give: '192.0.2.7',
    says: 'is "198.51.100.1" and must be in 192.0.2.0/24',
    deny: `${X} is not in 192.0.2.0/24`,
  },
  {
    operator: 'NotIpAddress',
    wants: '192.0.2.0/24',
    has: '192.0.2.7',
    give: '198.51.100.1',
    says: 'is "192.0.2.7" and must not be in 192.0.2.0/24',
    deny: `${X} is in 192.0.2.0/24`,
  },
  {
    operator: 'ArnEquals',
    wants: names.bob,
    has: names.alice,
    give: names.bob,
    says: `is "${names.alice}" and must match "${names.bob}"`,
    deny: `${X} does not match "${names.bob}"`,
  },
  {
    operator: 'ArnNotEquals',
    wants: names.bob,
    has: names.bob,
    give: names.alice,
    says: `is "${names.bob}" and must not match "${names.bob}"`,
    deny: `${X} matches "${names.bob}"`,
  },
  {
    operator: 'ArnLike',
    wants: 'arn:aws:iam::*:user/*',
    has: 'x',
    give: names.bob,
    says: 'is "x" and must match "arn:aws:iam::*:user/*"',
    deny: `${X} does not match "arn:aws:iam::*:user/*"`,
  },
  {
    operator: 'ArnNotLike',
    wants: 'arn:aws:iam::*:user/*',
    has: names.bob,
    give: 'x',
    says: `is "${names.bob}" and must not match "arn:aws:iam::*:user/*"`,
    deny: `${X} matches "arn:aws:iam::*:user/*"`,
  },
  {
    operator: 'Null',
    wants: true,
    has: 'a',
    give: undefined,
    says: 'is "a" and must be absent',
    deny: `${X} has a value`,
  },
  {
    operator: 'Null',
    wants: false,
    has: undefined,
    give: 'a',
    says: 'is absent and must have a value',
    deny: `${X} is absent`,
  },
  {
    operator: 'StringEqualsIfExists',
    wants: 'a',
    has: 'b',
    give: undefined,
    says: 'is "b" and must be "a" or be absent',
    deny: `${X} is not "a" and has a value`,
  },
  {
    operator: 'NumericLessThanIfExists',
    wants: 5,
    has: '9',
    give: '4',
    says: 'is "9" and must be less than 5 or be absent',
    deny: `${X} is not less than 5 and has a value`,
  },
  {
    operator: 'StringNotEqualsIfExists',
    wants: 'b',
    has: 'b',
    give: 'a',
    says: 'is "b" and must not be "b"',
    deny: `${X} is "b"`,
  },
];
