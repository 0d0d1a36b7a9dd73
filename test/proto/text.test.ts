// Text of requests in messages: one line of well-formed, printable Unicode of bounded length, for any input.
import fc from 'fast-check';
import t from 'tap';
import { decodeResponse, encodeError } from '../../proto/codec/frames.js';
import { type ErrorCode, errorTable, exceptions, ServiceError } from '../../proto/errors.js';
import { longestMessage, quote, shown } from '../../proto/text.js';

/** Any sequence of UTF-16 units, including lone surrogates. */
const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0xd800, 0xdc00, 0, 0x1b, 0x202e)), {
    maxLength: 400,
  })
  .map((units) => units.map((unit) => String.fromCharCode(unit)).join(''));

const isPrintable = (text: string) =>
  text.isWellFormed() && !/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029\ufffe\uffff]/u.test(text);

void t.test('shown text is printable and bounded, and showing it again changes nothing', (t) => {
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 500 }), (text, most) => {
      const result = shown(text, most);
      return isPrintable(result) && result.length <= most && shown(result, most) === result;
    }),
    { numRuns: 2_000 },
  );
  t.equal(shown('Grüße, 日本 😀'), 'Grüße, 日本 😀', 'printable text stays as it is');
  t.equal(shown('a\ud800b\u0000\u202ec\n'), 'a\\ud800b\\u0000\\u202ec\\u000a');
  t.equal(shown('ab😀', 3), 'ab…', 'a character is never cut in two');
  t.equal(quote('say "\\"'), '"say \\"\\\\\\""');
  t.end();
});

void t.test('every error can be encoded, and is the same after decoding', (t) => {
  const codes = Object.keys(errorTable) as ErrorCode[];
  const waits = fc.option(fc.oneof(fc.double(), fc.integer({ min: -5, max: 10_000 })), { nil: undefined });
  fc.assert(
    fc.property(fc.constantFrom(...codes), anyText, waits, (code, text, retryAfter) => {
      const error = new ServiceError(code, text.repeat(20), { retryAfter });
      const response = decodeResponse(encodeError(7, error));
      if (!('error' in response)) return false;
      const { error: decoded } = response;
      return (
        response.id === 7 &&
        decoded.code === code &&
        decoded.message === error.message &&
        decoded.message.length <= longestMessage &&
        isPrintable(decoded.message)
      );
    }),
    { numRuns: 2_000 },
  );
  t.end();
});

void t.test('an error whose message was changed afterwards is still answered', (t) => {
  const error = new exceptions.ValidationException('whole');
  error.message = 'broken \ud800';
  const response = decodeResponse(encodeError(3, error));
  t.match(response, { id: 3, error: { code: 'KMSInternalException' } });
  t.end();
});
