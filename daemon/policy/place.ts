import { exceptions } from '../../proto/errors.js';

/** Where in a policy document something stands: `Statement[2].Condition.StringEquals`. */
export class Place {
  constructor(readonly path: string) {}

  member(name: string): Place {
    return new Place(this.path === '' ? name : `${this.path}.${shorten(name)}`);
  }

  item(index: number): Place {
    return new Place(`${this.path}[${index}]`);
  }

  /** @throws MalformedPolicyDocumentException that says where and what */
  fail(what: string): never {
    throw new exceptions.MalformedPolicyDocumentException(this.path === '' ? what : `${this.path}: ${what}`);
  }
}

/** A text of the document, as it is shown in a message. */
export function quote(text: string): string {
  return JSON.stringify(shorten(text));
}

function shorten(text: string): string {
  return text.length <= 120 ? text : `${text.slice(0, 119)}…`;
}
