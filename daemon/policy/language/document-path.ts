import { PolicyError } from '../errors.js';
import { quote as quoteText, shown } from '../../../proto/text.js';

/** Maximum number of UTF-16 units of a quoted text in a message, which may quote several. */
const longestText = 120;

/** A path in a policy document: `Statement[2].Condition.StringEquals`. */
export class DocumentPath {
  /** @param preface text before all messages about this path */
  constructor(
    readonly path: string,
    private readonly preface = '',
  ) {}

  /** The path of a member of this object. */
  member(name: string): DocumentPath {
    const step = shown(name, longestText);
    return new DocumentPath(this.path === '' ? step : `${this.path}.${step}`, this.preface);
  }

  /** The path of an item of this array. */
  item(index: number): DocumentPath {
    return new DocumentPath(`${this.path}[${index}]`, this.preface);
  }

  /** The same path with a sentence before its messages. */
  prefaced(sentence: string): DocumentPath {
    return new DocumentPath(this.path, `${sentence} `);
  }

  /** Refuses the document. @throws PolicyError (malformed-policy) that names the path and the fault */
  fail(what: string): never {
    throw new PolicyError(
      'malformed-policy',
      this.preface + (this.path === '' ? what : `${this.path}: ${what}`),
    );
  }
}

/** Quotes a text of the document for a message. */
export function quote(text: string): string {
  return quoteText(text, longestText);
}
