// The shorthand syntax of the AWS CLI ("Using shorthand syntax with the AWS CLI" in its user guide), as version 2 parses it:
// a=b,c=d with lists (a=b,c or a=[b,c]), maps (a={b=c}), quotes ('…', "…" with \' \" \\), escaped commas (\,) and spaces
// around separators.

/** The value of a parameter, parsed from shorthand or JSON. */
export type Tree = string | number | boolean | null | Tree[] | { [name: string]: Tree };

/** The text is not shorthand. The message gives the position but never quotes the text, which may contain a secret. */
export class ShorthandError extends Error {
  override readonly name = 'ShorthandError';
}

/** The characters of a name. */
const name = /[A-Za-z0-9\-_.#/:]*/y;
const spaces = /[\t\n\v\f\r ]*/y;
const quoted = { "'": /'((?:\\\\|\\'|[^'])*)'/y, '"': /"((?:\\\\|\\"|[^"])*)"/y } as const;
// A value without quotes does not begin with a space, quote, =, [ or {. The first value of a list may contain =; later ones
// may not, because a word with = is the next name.
const begin = String.raw`(?:\\,|[^\s"',=[{])`;
const firstValue = new RegExp(String.raw`${begin}(?:\\,|[^"',\]}])*`, 'y');
const laterValue = new RegExp(String.raw`${begin}(?:\\,|[^"',=])*`, 'y');

/**
 * Parses shorthand.
 * @returns an object without a prototype
 * @throws ShorthandError
 */
export function parseShorthand(text: string): Record<string, Tree> {
  return new Parser(text).parse();
}

class Parser {
  #at = 0;

  constructor(private readonly text: string) {}

  parse(): Record<string, Tree> {
    const pairs = emptyObject();
    for (let isFirst = true; isFirst || this.#at < this.text.length; isFirst = false) {
      if (!isFirst) this.#expect(',');
      this.#put(pairs, () => this.#values());
    }
    return pairs;
  }

  /** Parses a name, = and a value. */
  #put(pairs: Record<string, Tree>, value: () => Tree): void {
    const key = this.#match(name) ?? '';
    this.#expect('=');
    if (key in pairs) throw new ShorthandError(`the name '${key}' is there twice`);
    pairs[key] = value();
  }

  #values(): Tree {
    if (this.#at >= this.text.length) return '';
    if (this.#current === '[' || this.#current === '{') return this.#nested();
    const first = this.#value();
    this.#match(spaces);
    if (this.#current !== ',') return first;
    const list = [first];
    // The list ends at the comma before the next name.
    for (;;) {
      const comma = this.#at;
      this.#expect(',');
      const later = this.#laterValue();
      this.#match(spaces);
      if (later === undefined || (this.#current !== undefined && this.#current !== ',')) {
        if (this.#current === undefined) throw this.#unexpected('a value');
        this.#at = comma;
        return list.length === 1 ? first : list;
      }
      list.push(later);
      if (this.#current === undefined) return list;
    }
  }

  /** Parses an explicit list or map, or a value. */
  #nested(): Tree {
    if (this.#current === '[') return this.#list();
    if (this.#current === '{') return this.#map();
    return this.#value();
  }

  #list(): Tree[] {
    const list: Tree[] = [];
    this.#each('[', ']', () => list.push(this.#nested()));
    return list;
  }

  #map(): Record<string, Tree> {
    const pairs = emptyObject();
    this.#each('{', '}', () => this.#put(pairs, () => this.#nested()));
    return pairs;
  }

  #each(open: string, close: string, read: () => void): void {
    this.#expect(open);
    while (this.#current !== close) {
      read();
      this.#match(spaces);
      if (this.#current !== close) this.#expect(',');
    }
    this.#at++;
  }

  #value(): string {
    const inQuotes = this.#inQuotes();
    return inQuotes ?? plain(this.#match(firstValue) ?? '');
  }

  #laterValue(): string | undefined {
    const inQuotes = this.#inQuotes();
    if (inQuotes !== undefined) return inQuotes;
    const found = this.#match(laterValue);
    return found === undefined ? undefined : plain(found);
  }

  #inQuotes(): string | undefined {
    const quote = this.#current;
    if (quote !== "'" && quote !== '"') return undefined;
    const found = this.#match(quoted[quote]);
    if (found === undefined) throw this.#unexpected(`a closing ${quote}`);
    return found.slice(1, -1).replaceAll(`\\${quote}`, quote).replaceAll('\\\\', '\\');
  }

  get #current(): string | undefined {
    return this.text[this.#at];
  }

  /** Consumes and returns the text that matches at the current position. */
  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  /** Consumes a separator and the spaces around it. */
  #expect(separator: string): void {
    this.#match(spaces);
    if (this.#current !== separator) throw this.#unexpected(`'${separator}'`);
    this.#at++;
    this.#match(spaces);
  }

  #unexpected(expected: string): ShorthandError {
    const place = this.#at < this.text.length ? `character ${this.#at + 1}` : 'the end';
    return new ShorthandError(`${expected} is expected at ${place}`);
  }
}

function plain(text: string): string {
  return text.replaceAll('\\,', ',').trimEnd();
}

function emptyObject(): Record<string, Tree> {
  return Object.create(null) as Record<string, Tree>;
}
