import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import { canonicalContext } from '../../../proto/formats/encryption-context.js';
import type { StringMap } from '../../../proto/generated/messages.js';
import { checkout } from '../../support/paths.js';

interface Vector {
  comment: string;
  context: object;
  encoded: string;
}

function contextOf(pairs: Iterable<readonly [string, string]>): StringMap {
  const context = Object.create(null) as StringMap;
  for (const [key, value] of pairs) context[key] = value;
  return context;
}

void t.test('the canonical encryption context is that of the committed vectors', (t) => {
  const text = readFileSync(join(checkout, 'proto/formats/vectors/encryption-context.json'), 'utf8');
  for (const { comment, context, encoded } of JSON.parse(text) as Vector[]) {
    const pairs = Object.entries(context) as [string, string][];
    t.equal(canonicalContext(contextOf(pairs)).toString('hex'), encoded, comment);
  }
  t.equal(canonicalContext(undefined).length, 0);
  t.end();
});

const wellFormed = fc.string({ unit: 'grapheme', maxLength: 12 });

void t.test('the encoding does not depend on the order of pairs, and can be parsed', (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(wellFormed, wellFormed), { selector: ([key]) => key }), (pairs) => {
      const encoded = canonicalContext(contextOf(pairs));
      if (!canonicalContext(contextOf([...pairs].reverse())).equals(encoded)) return false;
      const parts: Buffer[] = [];
      for (let at = 0; at < encoded.length; at += 4 + encoded.readUInt32BE(at)) {
        parts.push(encoded.subarray(at + 4, at + 4 + encoded.readUInt32BE(at)));
      }
      const keys = parts.filter((_part, index) => index % 2 === 0);
      const isSorted = keys.every((key, index) => index === 0 || keys[index - 1]!.compare(key) < 0);
      const back = new Map(keys.map((key, index) => [key.toString(), parts[index * 2 + 1]!.toString()]));
      return isSorted && back.size === pairs.length && pairs.every(([key, value]) => back.get(key) === value);
    }),
  );
  t.end();
});

void t.test('a context over 8,192 bytes, or not in well-formed Unicode, is refused', (t) => {
  t.equal(canonicalContext({ k: 'x'.repeat(8_191) }).length, 8_200);
  t.throws(() => canonicalContext({ k: 'x'.repeat(8_192) }), {
    code: 'ValidationException',
    message: /8193 bytes/,
  });
  t.throws(() => canonicalContext({ k: 'é'.repeat(4_096) }), { code: 'ValidationException' });
  t.throws(() => canonicalContext({ k: '\ud800' }), {
    code: 'ValidationException',
    message: /well-formed/,
  });
  t.throws(() => canonicalContext({ '\udc00': '' }), {
    code: 'ValidationException',
    message: /well-formed/,
  });
  t.end();
});
