// ARNs with wildcards. Each of the six parts between colons is matched separately, so a wildcard never spans a colon (IAM
// User Guide, "ARN condition operators"). The last part is everything after the fifth colon.
import { literalOf, type Lookup, Pattern } from './patterns.js';
import { type DocumentPath, quote } from './document-path.js';
import { Wildcards } from './wildcards.js';
import { spend } from './work.js';

const colon = 0x3a;
/** Steps that do not depend on the length of an ARN. */
const perArn = 100;

/** A literal, or a pattern with wildcards. */
type Part = string | Wildcards;

/** An ARN pattern. */
export class ArnPattern {
  readonly #pattern: Pattern;
  readonly #isAnything: boolean;
  /** Defined if there are no variables. */
  readonly #parts: readonly Part[] | undefined;

  private constructor(pattern: Pattern, isAnything: boolean) {
    this.#pattern = pattern;
    this.#isAnything = isAnything;
    if (pattern.constant) this.#parts = partsOf(pattern.constant);
  }

  /**
   * Parses an ARN with wildcards, and with variables if they are allowed. `*` alone means any ARN.
   * @throws PolicyError (malformed-policy) if it has fewer than six parts and no variable that could contain them
   */
  static parse(text: string, variables: boolean, at: DocumentPath): ArnPattern {
    const pattern = new ArnPattern(Pattern.parse(text, { wildcards: true, variables }, at), text === '*');
    if (text !== '*' && pattern.#parts && pattern.#parts.length < 6) {
      at.fail(
        `${quote(text)} is not an ARN: it must have six parts, as in "arn:aws:kms:us-east-1:000000000000:key/*".`,
      );
    }
    return pattern;
  }

  /** Steps for each unit of a value; 0 if matching just compares two texts. */
  get cost(): number {
    return this.#isAnything ? 0 : this.#pattern.cost;
  }

  /** Whether an ARN matches; undefined if a variable has no single value in this request. */
  matches(arn: string, lookup: Lookup): boolean | undefined {
    if (this.#isAnything || this.#pattern.literal === arn) return true;
    spend(perArn);
    if (this.#parts) return matchParts(this.#parts, arn);
    const codes = this.#pattern.resolve(lookup, arn.length);
    return codes && matchParts(partsOf(codes), arn);
  }
}

function matchParts(parts: readonly Part[], arn: string): boolean {
  if (parts.length < 6) return false;
  let start = 0;
  for (let index = 0; index < 6; index++) {
    const part = parts[index]!;
    const end = index === 5 ? arn.length : arn.indexOf(':', start);
    if (typeof part === 'string') {
      if (end - start !== part.length || !arn.startsWith(part, start)) return false;
    } else if (end < 0 || !part.matches(arn, start, end)) {
      return false;
    }
    start = end + 1;
  }
  return true;
}

/** Splits a pattern at the first five colons. */
function partsOf(codes: readonly number[]): Part[] {
  const parts: number[][] = [[]];
  for (const code of codes) {
    if (code === colon && parts.length < 6) parts.push([]);
    else parts.at(-1)!.push(code);
  }
  return parts.map((part) => literalOf(part) ?? new Wildcards(part));
}
