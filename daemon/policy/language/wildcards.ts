// Matches `*` and `?` in time proportional to pattern plus text, not to their product: patterns come from those who may put
// policies, texts from those who send requests.
import { spend } from './work.js';

/** `*`: any number of characters. Codes that are not negative are UTF-16 code units. */
export const any = -1;
/** `?`: any single character. */
export const one = -2;

/** A part of a pattern between two `*`. */
interface Segment {
  readonly length: number;
  /** Steps for each unit of the text. */
  readonly cost: number;
  /** Returns the index of the first match between `from` and `end`; -1 if there is none. */
  readonly find: (text: Uint16Array, from: number, end: number) => number;
}

/** A compiled pattern. */
export class Wildcards {
  readonly #first: readonly number[];
  readonly #middle: readonly Segment[];
  /** Undefined if the pattern has no `*`. */
  readonly #last: readonly number[] | undefined;
  /** Minimum length of a matching text in units. */
  readonly #shortest: number;
  /** Steps for each unit of a text: one, and more for segments of more than 32 units. */
  readonly cost: number;

  constructor(codes: readonly number[]) {
    const segments: number[][] = [[]];
    for (const code of codes) {
      if (code === any) segments.push([]);
      else segments.at(-1)!.push(code);
    }
    this.#first = segments[0]!;
    this.#last = segments.length > 1 ? segments.at(-1)! : undefined;
    this.#middle = segments
      .slice(1, -1)
      .filter(({ length }) => length > 0)
      .map((segment) =>
        segment.length <= 32 || segment.includes(one) ? shiftAnd(segment) : knuthMorrisPratt(segment),
      );
    this.#shortest = segments.reduce((sum, { length }) => sum + length, 0);
    this.cost = this.#middle.reduce((most, { cost }) => Math.max(most, cost), 1);
  }

  /**
   * Whether a part of a text matches. Each segment is matched at its first occurrence: if there is any match, there is also
   * one of that form.
   * @throws PolicyError (access-denied) if the decision takes too long
   */
  matches(text: string, start: number, end: number): boolean {
    const last = this.#last;
    if (end - start < this.#shortest) return false;
    if (last === undefined && end - start !== this.#first.length) return false;
    if (!isAt(this.#first, text, start)) return false;
    if (last === undefined) return true;
    if (!isAt(last, text, end - last.length)) return false;
    if (this.#middle.length === 0) return true;
    spend((end - start) * this.cost);
    const units = unitsOf(text);
    let at = start + this.#first.length;
    const stop = end - last.length;
    for (const segment of this.#middle) {
      const found = segment.find(units, at, stop);
      if (found < 0) return false;
      at = found + segment.length;
    }
    return true;
  }
}

let lastText = '';
let lastUnits = new Uint16Array(1_024);

/** Caches the last text, because many patterns are matched with the same text one after another. */
function unitsOf(text: string): Uint16Array {
  if (text === lastText) return lastUnits;
  if (text.length > lastUnits.length) lastUnits = new Uint16Array(text.length);
  for (let index = 0; index < text.length; index++) lastUnits[index] = text.charCodeAt(index);
  lastText = text;
  return lastUnits;
}

function isAt(codes: readonly number[], text: string, at: number): boolean {
  for (let index = 0; index < codes.length; index++) {
    const code = codes[index]!;
    if (code !== one && code !== text.charCodeAt(at + index)) {
      spend(index);
      return false;
    }
  }
  spend(codes.length);
  return true;
}

/** Knuth, Morris and Pratt, "Fast pattern matching in strings", 1977: each unit of the text is compared twice at most. */
function knuthMorrisPratt(segment: readonly number[]): Segment {
  const codes = Uint16Array.from(segment);
  const { length } = codes;
  const borders = new Int32Array(length);
  for (let index = 1, border = 0; index < length; index++) {
    while (border > 0 && codes[index] !== codes[border]) border = borders[border - 1]!;
    if (codes[index] === codes[border]) border += 1;
    borders[index] = border;
  }
  return { length, cost: 2, find: (text, from, end) => findByBorders(codes, borders, text, from, end) };
}

// The loops are separate functions because their parameters stay in registers, unlike variables of a closure.
function findByBorders(
  codes: Uint16Array,
  borders: Int32Array,
  text: Uint16Array,
  from: number,
  end: number,
) {
  const { length } = codes;
  let matched = 0;
  for (let at = from; at < end; at++) {
    const code = text[at]!;
    while (matched > 0 && code !== codes[matched]) matched = borders[matched - 1]!;
    if (code === codes[matched] && ++matched === length) return at + 1 - length;
  }
  return -1;
}

/**
 * The masks of a segment. Its units are divided into classes, and each class has a mask of one or more words; class 0
 * contains the units that are not in the segment.
 */
interface Masks {
  readonly words: number;
  readonly masks: Int32Array;
  /** Classes of ASCII units. */
  readonly ascii: Uint16Array;
  /** Classes of all units, if some are not ASCII. */
  readonly others: ReadonlyMap<number, number> | undefined;
  /** Bit of the last word that means that the whole segment matches. */
  readonly lastBit: number;
}

const asciiUnits = 128;

/**
 * Baeza-Yates and Gonnet, "A new approach to text searching", 1992: bit i of the state means that the first i + 1 units of
 * the segment match up to here. `?` sets its bit in all masks. 32 units of the segment cost one step for each unit of the
 * text.
 */
function shiftAnd(codes: readonly number[]): Segment {
  const { length } = codes;
  const words = (length + 31) >>> 5;
  const classes = new Map<number, number>();
  for (const code of codes) if (code !== one && !classes.has(code)) classes.set(code, classes.size + 1);
  const masks = new Int32Array((classes.size + 1) * words);
  for (const [index, code] of codes.entries()) {
    const [word, bit] = [index >>> 5, 1 << (index & 31)];
    if (code !== one) masks[classes.get(code)! * words + word]! |= bit;
    else for (let at = word; at < masks.length; at += words) masks[at]! |= bit;
  }
  const ascii = new Uint16Array(asciiUnits);
  for (const [code, number] of classes) if (code < asciiUnits) ascii[code] = number;
  const others = codes.some((code) => code >= asciiUnits) ? classes : undefined;
  const segment = { words, masks, ascii, others, lastBit: 1 << ((length - 1) & 31) };
  const findEnd = words === 1 ? endInWord : endInWords;
  const find = (text: Uint16Array, from: number, end: number) => {
    const found = findEnd(segment, text, from, end);
    return found < 0 ? -1 : found - length;
  };
  // A lookup in a map costs several steps.
  return { length, cost: words + (others ? 7 : 0), find };
}

function endInWord({ masks, ascii, others, lastBit }: Masks, text: Uint16Array, from: number, end: number) {
  let state = 0;
  for (let at = from; at < end; at++) {
    const code = text[at]!;
    const number = code < asciiUnits ? ascii[code]! : others === undefined ? 0 : (others.get(code) ?? 0);
    state = ((state << 1) | 1) & masks[number]!;
    if (state & lastBit) return at + 1;
  }
  return -1;
}

function endInWords(segment: Masks, text: Uint16Array, from: number, end: number) {
  const { words, masks, ascii, others, lastBit } = segment;
  const state = new Int32Array(words);
  for (let at = from; at < end; at++) {
    const code = text[at]!;
    const number = code < asciiUnits ? ascii[code]! : others === undefined ? 0 : (others.get(code) ?? 0);
    const mask = number * words;
    let carry = 1;
    for (let word = 0; word < words; word++) {
      const before = state[word]!;
      state[word] = ((before << 1) | carry) & masks[mask + word]!;
      carry = before >>> 31;
    }
    if (state[words - 1]! & lastBit) return at + 1;
  }
  return -1;
}
