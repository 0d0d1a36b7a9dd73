import { PolicyError } from '../errors.js';
import { quote as quoteText, shown } from '../../../proto/text.js';

/** Most UTF-16 units that a message shows of one text of a document: a message may quote several. */
const longestText = 120;

/** A path in a policy document: `Statement[2].Condition.StringEquals`. */
export class DocumentPath {
  /** @param preface the beginning of all messages about this place */
  constructor(
    readonly path: string,
    private readonly preface = '',
  ) {}

  member(name: string): DocumentPath {
    const step = shown(name, longestText);
    return new DocumentPath(this.path === '' ? step : `${this.path}.${step}`, this.preface);
  }

  item(index: number): DocumentPath {
    return new DocumentPath(`${this.path}[${index}]`, this.preface);
  }

  /** The same path, with a sentence that begins its messages. */
  prefaced(sentence: string): DocumentPath {
    return new DocumentPath(this.path, `${sentence} `);
  }

  /** @throws PolicyError (malformed-policy) that says where and what */
  fail(what: string): never {
    throw new PolicyError(
      'malformed-policy',
      this.preface + (this.path === '' ? what : `${this.path}: ${what}`),
    );
  }
}

/** A text of the document, as it is shown in a message. */
export function quote(text: string): string {
  return quoteText(text, longestText);
}
