// The JSON of policies. `JSON.parse` silently keeps the last of two members with one name, so a Deny could hide from a reader
// of the document: duplicates are refused, as in IAM. Unlike proto/json-members.ts, which only looks for duplicates, this
// parser reports line and column of each error and the position of each string.
import { DocumentPath, quote } from './document-path.js';

/** Maximum depth of arrays and objects. A policy needs at most seven levels, down to the values of a condition key. */
const deepest = 16;

const space = /[ \t\n\r]*/y;
const scalar =
  /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;

class Parser {
  #offset = 0;
  #depth = 0;

  /** @param onString called for each string value with its path and its start and end in the text */
  constructor(
    readonly text: string,
    readonly onString?: (value: string, at: DocumentPath, start: number, end: number) => void,
  ) {}

  document(): unknown {
    const value = this.#value(new DocumentPath(''));
    if (this.#next() !== '') this.#fail('expected the end of the document');
    return value;
  }

  #value(at: DocumentPath): unknown {
    const next = this.#next();
    if (next === '{') return this.#nested(() => this.#object(at));
    if (next === '[') return this.#nested(() => this.#array(at));
    const start = this.#offset;
    const value = this.#scalar('expected a value');
    if (typeof value === 'string') this.onString?.(value, at, start, this.#offset);
    return value;
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > deepest) this.#fail('the document is nested too deeply');
    this.#offset++;
    const value = read();
    this.#depth--;
    return value;
  }

  #object(at: DocumentPath): Record<string, unknown> {
    const members: Record<string, unknown> = {};
    if (this.#skip('}')) return members;
    do {
      if (this.#next() !== '"') this.#fail('expected a member name in double quotes');
      const name = this.#scalar('expected a member name') as string;
      const member = at.member(name);
      if (Object.hasOwn(members, name)) member.fail('It is given twice.');
      // No element, operator or condition key has this name, and assigning it would set the prototype.
      if (name === '__proto__') at.fail(`There is no ${quote(name)}.`);
      if (!this.#skip(':')) this.#fail('expected a colon');
      members[name] = this.#value(member);
    } while (this.#skip(','));
    if (!this.#skip('}')) this.#fail('expected a comma or "}"');
    return members;
  }

  #array(at: DocumentPath): unknown[] {
    const items: unknown[] = [];
    if (this.#skip(']')) return items;
    do items.push(this.#value(at.item(items.length)));
    while (this.#skip(','));
    if (!this.#skip(']')) this.#fail('expected a comma or "]"');
    return items;
  }

  #scalar(otherwise: string): unknown {
    scalar.lastIndex = this.#offset;
    const [token] = scalar.exec(this.text) ?? this.#fail(otherwise);
    this.#offset += token.length;
    return JSON.parse(token);
  }

  /** The next character that is not white space; empty at the end. */
  #next(): string {
    space.lastIndex = this.#offset;
    this.#offset += space.exec(this.text)![0].length;
    return this.text.charAt(this.#offset);
  }

  #skip(character: string): boolean {
    if (this.#next() !== character) return false;
    this.#offset++;
    return true;
  }

  #fail(what: string): never {
    return new DocumentPath('').fail(`This is not JSON: ${what} at ${position(this.text, this.#offset)}.`);
  }
}

/**
 * Parses a policy document's text.
 * @throws PolicyError (malformed-policy) with line and column if it is not JSON (RFC 8259) or has a character that the IAM
 * and   KMS API references do not allow; with the path if a member occurs twice
 */
export function parseJson(text: string): unknown {
  const at = text.search(/[^\t\n\r\u0020-\u00ff]/);
  if (at >= 0) {
    const character = text.codePointAt(at)!.toString(16).toUpperCase().padStart(4, '0');
    new DocumentPath('').fail(
      `The character U+${character} at ${position(text, at)} is not allowed. Policies are written in Latin-1; ` +
        'escape others as \\uXXXX.',
    );
  }
  return new Parser(text).document();
}

const principalPath = /^Statement(?:\[\d+\])?\.(?:Not)?Principal\.AWS(?:\[\d+\])?$/;

/**
 * Replaces names in the Principal and NotPrincipal elements of a policy document; the rest stays byte for byte the same.
 * @param text a document that {@link parseJson} accepts
 * @param rename returns the new name, or undefined to keep the name
 */
export function renamePrincipals(text: string, rename: (name: string) => string | undefined): string {
  let renamed = '';
  let done = 0;
  const replace = (value: string, { path }: DocumentPath, start: number, end: number) => {
    const name = principalPath.test(path) ? rename(value) : undefined;
    if (name === undefined) return;
    renamed += text.slice(done, start) + JSON.stringify(name);
    done = end;
  };
  new Parser(text, replace).document();
  return renamed + text.slice(done);
}

function position(text: string, offset: number): string {
  const lines = text.slice(0, offset).split('\n');
  return `line ${lines.length}, column ${lines.at(-1)!.length + 1}`;
}
