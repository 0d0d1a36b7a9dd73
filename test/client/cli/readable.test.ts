// Output in the format `readable`.
import t from 'tap';
import { progressLine } from '../../../proto/progress.js';
import { readableText } from '../../../client/cli/output/readable.js';
import { durationText, relativeText } from '../../../client/cli/output/times.js';

const screen = { width: 60, paint: (_style: string, text: string) => text };

void t.test('names are beside values; a single structure in a response is shown without its name', (t) => {
  const metadata = { KeyId: 'x', CreationDate: '2027-01-31T12:00:00.123000+00:00', Enabled: true, Tags: {} };
  t.equal(
    readableText({ KeyMetadata: metadata }, screen),
    'KeyId         x\nCreationDate  2027-01-31 12:00:00 UTC\nEnabled       true\nTags          (none)\n',
  );
  t.equal(readableText({ Keys: [] }, screen), '(none)\n');
  t.equal(readableText({ Plaintext: 'aGk=', KeyId: 'x' }, screen), 'Plaintext  aGk=\nKeyId      x\n');
  t.end();
});

void t.test('lists are tables if they fit, without ARNs if only those do not fit, else blocks', (t) => {
  const keys = [
    { KeyId: 'a', KeyArn: 'arn:a' },
    { KeyId: 'bb', KeyArn: 'arn:bb' },
  ];
  t.equal(readableText({ Keys: keys }, screen), 'KeyId  KeyArn\na      arn:a\nbb     arn:bb\n');
  const long = keys.map(({ KeyId }) => ({ KeyId, KeyArn: 'x'.repeat(60) }));
  t.equal(readableText({ Keys: long }, screen), 'KeyId\na\nbb\n');
  const wide = keys.map(({ KeyId }) => ({ KeyId, Text: 'x'.repeat(60) }));
  t.match(readableText({ Keys: wide }, screen), /^KeyId {2}a\nText {3}x+\n\nKeyId {2}bb\n/);
  t.end();
});

void t.test('policy documents are laid out, and control characters are escaped', (t) => {
  t.equal(
    readableText({ Policy: '{"Version":"2012-10-17"}' }, screen),
    'Policy\n  {\n    "Version": "2012-10-17"\n  }\n',
  );
  t.equal(
    readableText({ Description: 'a\u001b[2Jb\nc\u202e' }, screen),
    'Description  a\\u001b[2Jb\\u000ac\\u202e\n',
  );
  t.end();
});

void t.test('times and progress', (t) => {
  t.equal(durationText(0), '0 s');
  t.equal(durationText(90), '1 min');
  t.equal(relativeText(1_000, 1_000 + 3 * 86_400), '3 d ago');
  t.equal(relativeText(1_000 + 7_200, 1_000), 'in 2 h');
  const line = progressLine('sealing', 'bytes', { done: 25e6, total: 100e6, seconds: 5 });
  t.equal(line, 'sealing  [#####               ] 25%  25.0 MB of 100.0 MB  5.0 MB/s  0:15 left');
  t.equal(
    progressLine('verifying', 'items', { done: 10_000, total: undefined, seconds: 2 }),
    'verifying  10,000  5,000/s',
  );
  t.end();
});
