// Matching with `*` and `?` in time that grows with pattern plus text, and not with their product: patterns come from who may
// put a policy, texts from who sends requests.

/** Any characters, and any one character. Not negative: a UTF-16 code unit. */
export const any = -1;
export const one = -2;

/** A part of a pattern between two `*`. */
interface Segment {
  readonly codes: readonly number[];
  /** The place of the first match that begins at `from` or behind it, and ends before `end`; -1: there is none. */
  readonly find: (text: string, from: number, end: number) => number;
}

/** A pattern, prepared once for any number of texts. */
export class Wildcards {
  readonly #first: readonly number[];
  readonly #middle: readonly Segment[];
  /** Undefined: the pattern has no `*`. */
  readonly #last: readonly number[] | undefined;
  /** Units that a text has at least. */
  readonly #shortest: number;

  constructor(codes: readonly number[]) {
    const segments: number[][] = [[]];
    for (const code of codes) {
      if (code === any) segments.push([]);
      else segments.at(-1)!.push(code);
    }
    this.#first = segments[0]!;
    this.#last = segments.length > 1 ? segments.at(-1)! : undefined;
    const between = segments.slice(1, -1).filter(({ length }) => length > 0);
    this.#middle = between.map((segment) => ({ codes: segment, find: finder(segment) }));
    this.#shortest = segments.reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * Whether a part of a text matches. Each segment is taken where it comes first: if the pattern matches in any way it also
   * matches in that one.
   */
  matches(text: string, start: number, end: number): boolean {
    if (end - start < this.#shortest || !isAt(this.#first, text, start)) return false;
    const last = this.#last;
    if (last === undefined) return end - start === this.#first.length;
    if (!isAt(last, text, end - last.length)) return false;
    let at = start + this.#first.length;
    const stop = end - last.length;
    for (const { codes, find } of this.#middle) {
      const found = find(text, at, stop);
      if (found < 0) return false;
      at = found + codes.length;
    }
    return true;
  }
}

function isAt(codes: readonly number[], text: string, at: number): boolean {
  for (let index = 0; index < codes.length; index++) {
    const code = codes[index]!;
    if (code !== one && code !== text.charCodeAt(at + index)) return false;
  }
  return true;
}

function finder(codes: readonly number[]): Segment['find'] {
  return codes.includes(one) ? shiftAnd(codes) : knuthMorrisPratt(codes);
}

/** Knuth, Morris and Pratt, "Fast pattern matching in strings", 1977: each unit of the text is looked at twice at most. */
function knuthMorrisPratt(codes: readonly number[]): Segment['find'] {
  const borders = new Int32Array(codes.length);
  for (let index = 1, border = 0; index < codes.length; index++) {
    while (border > 0 && codes[index] !== codes[border]) border = borders[border - 1]!;
    if (codes[index] === codes[border]) border += 1;
    borders[index] = border;
  }
  return (text, from, end) => {
    let matched = 0;
    for (let at = from; at < end; at++) {
      const code = text.charCodeAt(at);
      while (matched > 0 && code !== codes[matched]) matched = borders[matched - 1]!;
      if (code === codes[matched]) matched += 1;
      if (matched === codes.length) return at + 1 - matched;
    }
    return -1;
  };
}

/**
 * Baeza-Yates and Gonnet, "A new approach to text searching", 1992: bit i of the state says that the first i + 1 units of the
 * pattern end here. `?` is one of all masks. 32 units of the pattern are one step for each unit of the text.
 */
function shiftAnd(codes: readonly number[]): Segment['find'] {
  const words = (codes.length + 31) >>> 5;
  const wild = new Int32Array(words);
  const masks = new Map<number, Int32Array>();
  for (const [index, code] of codes.entries()) if (code === one) wild[index >>> 5]! |= 1 << (index & 31);
  for (const [index, code] of codes.entries()) {
    if (code === one) continue;
    let mask = masks.get(code);
    if (!mask) masks.set(code, (mask = wild.slice()));
    mask[index >>> 5]! |= 1 << (index & 31);
  }
  const [lastWord, lastBit] = [(codes.length - 1) >>> 5, 1 << ((codes.length - 1) & 31)];
  return (text, from, end) => {
    const state = new Int32Array(words);
    for (let at = from; at < end; at++) {
      const mask = masks.get(text.charCodeAt(at)) ?? wild;
      let carry = 1;
      for (let word = 0; word < words; word++) {
        const before = state[word]!;
        state[word] = ((before << 1) | carry) & mask[word]!;
        carry = before >>> 31;
      }
      if (state[lastWord]! & lastBit) return at + 1 - codes.length;
    }
    return -1;
  };
}
