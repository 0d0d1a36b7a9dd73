// The terms by which records are found: keys, principals, events and errors, in the form in which an index knows them.

/** Texts of the members that filters compare, as written in JSON. More may match than a filter means; none may be left out. */
const memberPattern =
  /"(?:ARN|arn|keyId|targetKeyId|sourceKeyId|destinationKeyId|aliasName|eventName|eventType|errorCode|type|userName|accessKeyId|principalId|invokedBy)":"((?:[^"\\]|\\.)*)"/g;
const listPattern = /"accessKeyIds":\[([^\]]*)\]/g;
const failureMark = '"errorCode":';

/** The term of each record that has an error. No text of a member is the same, because quotes are escaped there. */
export const failureTerm = '"';

/** The term of a text: an ARN counts as its last part, and a key's as the key ID, because filters take both. */
export function termOf(text: string): string {
  const last = text.startsWith('arn:') ? text.slice(text.lastIndexOf(':') + 1) : text;
  return last.startsWith('key/') ? last.slice('key/'.length) : last;
}

/** Collects the terms of lines. @param lines each byte as a character (latin1) */
export function termsOf(lines: string): Set<string> {
  const terms = new Set<string>();
  for (const [, text = ''] of lines.matchAll(memberPattern)) terms.add(termOf(text));
  for (const [, list = ''] of lines.matchAll(listPattern))
    for (const each of list.split(',')) terms.add(termOf(each.slice(1, -1)));
  if (lines.includes(failureMark)) terms.add(failureTerm);
  return terms;
}

/** Bytes of a Bloom filter: one of 100 terms passes a wrong term with a probability of 0.01 %, one of 500 terms with 2 %. */
export const bloomLength = 512;
const bits = bloomLength * 8;
const probes = 4;

/** Adds a term to a Bloom filter. */
export function addTerm(bloom: Uint8Array, term: string): void {
  const [first, step] = hashesOf(term);
  for (let n = 0; n < probes; n++) {
    const bit = (first + n * step) % bits;
    bloom[bit >> 3]! |= 1 << (bit & 7);
  }
}

/** Whether a Bloom filter may have a term; false: it has not. */
export function mayHave(bloom: Uint8Array, term: string): boolean {
  const [first, step] = hashesOf(term);
  for (let n = 0; n < probes; n++) {
    const bit = (first + n * step) % bits;
    if ((bloom[bit >> 3]! & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}

/** Two hashes of a term (FNV-1a, 32 bits, from different starts). Who makes terms collide makes queries slower, not wrong. */
function hashesOf(term: string): [number, number] {
  let [first, second] = [0x811c9dc5, 0x1000193];
  for (let at = 0; at < term.length; at++) {
    const code = term.charCodeAt(at);
    first = Math.imul(first ^ code, 0x01000193);
    second = Math.imul(second ^ code, 0x85ebca6b);
  }
  return [(first ^ (first >>> 15)) >>> 0, ((second ^ (second >>> 13)) | 1) >>> 0];
}
