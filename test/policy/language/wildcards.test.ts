// The matcher compared with a naive one, which backtracks to the last `*` at each place: correct, and slow on purpose.
import fc from 'fast-check';
import t from 'tap';
import { any, one, Wildcards } from '../../../daemon/policy/language/wildcards.js';

/** The naive matcher. Its time is the product of the two lengths. */
function naiveMatch(codes: readonly number[], text: string, start: number, end: number): boolean {
  let at = 0;
  let position = start;
  let star = -1;
  let tried = start;
  while (position < end) {
    const code = codes[at];
    if (code === any) {
      star = at++;
      tried = position;
    } else if (code === one || code === text.charCodeAt(position)) {
      at++;
      position++;
    } else if (star >= 0) {
      at = star + 1;
      position = ++tried;
    } else {
      return false;
    }
  }
  while (codes[at] === any) at++;
  return at === codes.length;
}

const codesOf = (pattern: string) =>
  Array.from({ length: pattern.length }, (_, index) =>
    pattern[index] === '*' ? any : pattern[index] === '?' ? one : pattern.charCodeAt(index),
  );
const wordOf = (alphabet: string, maxLength: number) =>
  fc.array(fc.constantFrom(...alphabet), { maxLength }).map((letters) => letters.join(''));

void t.test('the matcher agrees with the naive one', (t) => {
  const cases = fc.record({
    // Two letters, so that parts of a pattern overlap with themselves; long parts span several words of 32 bits.
    pattern: fc.oneof(wordOf('ab*?', 14), wordOf('aaab?*', 90), wordOf('ab', 40), wordOf('aé*', 20)),
    text: fc.oneof(wordOf('ab', 18), wordOf('aaab', 160), wordOf('aé', 30)),
    margins: fc.tuple(fc.nat(3), fc.nat(3)),
  });
  let matched = 0;
  fc.assert(
    fc.property(cases, ({ pattern, text, margins: [left, right] }) => {
      const codes = codesOf(pattern);
      const whole = 'a'.repeat(left) + text + 'b'.repeat(right);
      const result = new Wildcards(codes).matches(whole, left, left + text.length);
      if (result) matched += 1;
      return result === naiveMatch(codes, whole, left, left + text.length);
    }),
    { numRuns: 30_000 },
  );
  t.ok(matched > 500, `${matched} texts matched`);
  t.end();
});

void t.test('texts made from a pattern match it', (t) => {
  const parts = fc.array(fc.oneof(wordOf('ab', 40), fc.constant('*'), fc.constant('?')), { maxLength: 12 });
  fc.assert(
    fc.property(parts, fc.infiniteStream(wordOf('ab', 30)), (pattern, fillings) => {
      const text = pattern
        .map((part) => (part === '*' ? (fillings.next().value as string) : part === '?' ? 'a' : part))
        .join('');
      return new Wildcards(codesOf(pattern.join(''))).matches(text, 0, text.length);
    }),
    { numRuns: 5_000 },
  );
  t.end();
});

void t.test('matching the longest pattern with the longest text ends', (t) => {
  const text = 'a'.repeat(16_384);
  for (const pattern of [
    `*${'a'.repeat(8_000)}b`,
    `*${'a'.repeat(8_000)}b*`,
    `*${'a?'.repeat(4_000)}b*`,
    '*a'.repeat(8_000),
  ]) {
    const wildcards = new Wildcards(codesOf(pattern));
    for (let round = 0; round < 20; round++)
      t.equal(wildcards.matches(text, 0, text.length), pattern.endsWith('*a'));
  }
  t.end();
});
