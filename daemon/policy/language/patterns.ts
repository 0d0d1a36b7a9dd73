// Patterns with wildcards and policy variables, matched with values of a request (IAM User Guide, "IAM policy elements:
// Variables and tags").
import { type DocumentPath, quote } from './document-path.js';
import { any, one, Wildcards } from './wildcards.js';
import { spend } from './work.js';

/**
 * Returns the request's values of a condition key; undefined if it has none.
 * @param key entirely in lower case: condition keys are not case-sensitive, including the parts after
 *   `kms:EncryptionContext:` and `aws:ResourceTag/` (KMS Developer Guide, "Case sensitivity of the encryption context
 *   condition")
 */
export type Lookup = (key: string) => readonly string[] | undefined;

interface Variable {
  readonly key: string;
  readonly fallback: string | undefined;
}

/** How a pattern is parsed. */
export interface PatternOptions {
  /** Whether `*` and `?` are wildcards. */
  readonly wildcards: boolean;
  /** Whether `${…}` is a variable, as in documents of version 2012-10-17. */
  readonly variables: boolean;
  /** Whether case is ignored. */
  readonly ignoreCase?: boolean;
}

const variablePattern = /^([A-Za-z0-9-]+:[^{}$*?',]+?)(?:, *'([^']*)')?$/;

/** A text as code units, wildcards and variables. */
export class Pattern {
  readonly #tokens: readonly (number | Variable)[];
  readonly #ignoreCase: boolean;
  /** Without variables: the result of {@link resolve} for every request. */
  readonly constant: readonly number[] | undefined;
  /** Without variables and wildcards: the text. */
  readonly literal: string | undefined;
  readonly #wildcards: Wildcards | undefined;
  /** With variables and without wildcards: texts and variables. */
  readonly #pieces: readonly (string | Variable)[] | undefined;

  private constructor(tokens: readonly (number | Variable)[], ignoreCase: boolean) {
    this.#tokens = tokens;
    this.#ignoreCase = ignoreCase;
    if (tokens.every((token) => typeof token === 'number')) {
      this.constant = tokens;
      this.literal = literalOf(tokens);
      if (this.literal === undefined) this.#wildcards = new Wildcards(tokens);
    } else if (!tokens.some((token) => token === any || token === one)) {
      this.#pieces = piecesOf(tokens);
    }
  }

  /** Parses a pattern. @throws PolicyError (malformed-policy) for an invalid variable */
  static parse(
    text: string,
    { wildcards, variables, ignoreCase = false }: PatternOptions,
    at: DocumentPath,
  ): Pattern {
    const tokens: (number | Variable)[] = [];
    const folded = ignoreCase ? (part: string) => part.toLowerCase() : (part: string) => part;
    for (const part of variables ? text.split(/(\$\{[^}]*\}?)/) : [text]) {
      if (variables && part.startsWith('${')) tokens.push(...variable(part, folded, at));
      else
        for (const code of codesOf(folded(part))) tokens.push(wildcards ? (wildcardOf[code] ?? code) : code);
    }
    return new Pattern(tokens, ignoreCase);
  }

  /** Steps for each unit of a value; 0 if matching just compares two texts. */
  get cost(): number {
    return this.literal === undefined ? (this.#wildcards?.cost ?? 1) : 0;
  }

  /** Whether a value matches; undefined if a variable has no single value in this request. */
  matches(value: string, lookup: Lookup): boolean | undefined {
    if (this.literal !== undefined) return (this.#ignoreCase ? value.toLowerCase() : value) === this.literal;
    spend(perPattern + (this.#ignoreCase ? value.length : 0));
    const actual = this.#ignoreCase ? value.toLowerCase() : value;
    if (this.#wildcards) return this.#wildcards.matches(actual, 0, actual.length);
    if (this.#pieces) return this.#equals(this.#pieces, actual, lookup);
    const codes = this.resolve(lookup, actual.length);
    return codes && new Wildcards(codes).matches(actual, 0, actual.length);
  }

  /** @returns undefined if any variable has no single value, even if the rest differs */
  #equals(pieces: readonly (string | Variable)[], actual: string, lookup: Lookup): boolean | undefined {
    let at = 0;
    let isEqual = true;
    for (const piece of pieces) {
      const value = typeof piece === 'string' ? piece : this.#valueOf(piece, lookup);
      if (value === undefined) return undefined;
      spend(perPiece);
      isEqual &&= actual.startsWith(value, at);
      at += value.length;
    }
    return isEqual && at === actual.length;
  }

  #valueOf({ key, fallback }: Variable, lookup: Lookup): string | undefined {
    const values = lookup(key);
    const value = values?.length === 1 ? values[0] : values?.length ? undefined : fallback;
    if (value === undefined || !this.#ignoreCase) return value;
    spend(value.length);
    return value.toLowerCase();
  }

  /**
   * Replaces the variables by the request's values, in which `*` and `?` are not wildcards.
   * @param longest length of the text to match in UTF-16 units: a longer pattern is cut there, and cannot match
   * @returns code units and wildcards; undefined if a variable has no single value
   */
  resolve(lookup: Lookup, longest: number): readonly number[] | undefined {
    if (this.constant) return this.constant;
    const codes: number[] = [];
    let units = 0;
    for (const token of this.#tokens) {
      if (typeof token === 'number') {
        codes.push(token);
        if (token !== any) units += 1;
        continue;
      }
      const value = this.#valueOf(token, lookup);
      if (value === undefined) return undefined;
      // Hundreds of variables, each with a long value, must not make a pattern of megabytes.
      const room = Math.max(0, longest + 1 - units);
      units += value.length;
      const taken = Math.min(room, value.length);
      spend(perPiece);
      for (let index = 0; index < taken; index++) codes.push(value.charCodeAt(index));
    }
    spend(codes.length * perResolved);
    return codes;
  }
}

/** Steps that do not depend on the length of a value. */
const perPattern = 20;
const perPiece = 40;
/** Steps for each unit of a pattern that is put together for one request. */
const perResolved = 10;

/** Joins the code units between variables to texts. */
function piecesOf(tokens: readonly (number | Variable)[]): (string | Variable)[] {
  const pieces: (string | Variable)[] = [];
  for (const token of tokens) {
    const last = pieces.at(-1);
    if (typeof token !== 'number') pieces.push(token);
    else if (typeof last === 'string') pieces[pieces.length - 1] = last + String.fromCharCode(token);
    else pieces.push(String.fromCharCode(token));
  }
  return pieces;
}

const wildcardOf: Readonly<Record<number, number>> = { [0x2a]: any, [0x3f]: one };

/** Parses a variable, or one of the escaped characters `${*}`, `${?}` and `${$}`. */
function variable(text: string, folded: (part: string) => string, at: DocumentPath): (number | Variable)[] {
  const inner = text.endsWith('}')
    ? text.slice(2, -1)
    : at.fail(`The variable ${quote(text)} has no closing brace.`);
  if (inner === '*' || inner === '?' || inner === '$') return codesOf(inner);
  const [, key, fallback] = variablePattern.exec(inner) ?? [];
  if (key === undefined) {
    at.fail(
      `${quote(text)} is not a policy variable. Write \${aws:username} or \${aws:username, 'default'}; for the characters ` +
        'themselves write ${*}, ${?} or ${$}.',
    );
  }
  return [{ key: key.toLowerCase(), fallback: fallback === undefined ? undefined : folded(fallback) }];
}

function codesOf(text: string): number[] {
  return Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
}

/** Joins codes to a text. @returns undefined if there are wildcards among them */
export function literalOf(codes: readonly number[]): string | undefined {
  if (codes.some((code) => code < 0)) return undefined;
  return codes.map((code) => String.fromCharCode(code)).join('');
}
