// The command line's hints: only for errors and operations that exist, and only where the daemon's message is not enough.
import { PassThrough } from 'node:stream';
import t from 'tap';
import { hintFor } from '../../../client/cli/help/hints.js';
import { nearAlias } from '../../../client/cli/meant-alias.js';
import { OperationError, reportFailure } from '../../../client/cli/session.js';
import { startProgress } from '../../../proto/progress.js';

void t.test('an error without a message has a hint, and one with a message has none', (t) => {
  const silent: readonly [operation: string, code: string][] = [
    ['Decrypt', 'InvalidCiphertextException'],
    ['ReEncrypt', 'InvalidCiphertextException'],
    ['ImportKeyMaterial', 'InvalidImportTokenException'],
    ['ListKeys', 'InvalidMarkerException'],
    ['VerifyMac', 'KMSInvalidMacException'],
    ['Verify', 'KMSInvalidSignatureException'],
    ['CreateAlias', 'NotAuthorizedException'],
    ['EnableKeyRotation', 'UnsupportedOperationException'],
    ['RotateKeyOnDemand', 'UnsupportedOperationException'],
    ['GetPublicKey', 'UnsupportedOperationException'],
    ['DeriveSharedSecret', 'ValidationException'],
  ];
  for (const [operation, code] of silent) {
    t.match(hintFor(operation, code, ''), /^[A-Z].*\.$/, `${operation} ${code}`);
    t.equal(hintFor(operation, code, 'Something.'), undefined);
  }
  t.equal(hintFor('Encrypt', 'ValidationException', ''), undefined);
  t.end();
});

void t.test('a hint follows the message of AWS about principals', (t) => {
  const message = 'Policy contains a statement with one or more invalid principals.';
  const error = new OperationError('PutKeyPolicy', { code: 'MalformedPolicyDocumentException', message });
  t.match(error.message, /operation: Policy contains .* invalid principals\. Each AWS principal/);
  t.end();
});

void t.test('only a near alias is suggested, and the part that all have in common does not count', (t) => {
  t.equal(nearAlias('alias/paymnts', ['alias/app', 'alias/payments']), ' Did you mean alias/payments?');
  t.equal(nearAlias('alias/ap', ['alias/app']), ' Did you mean alias/app?');
  t.equal(nearAlias('alias/xyz', ['alias/app']), '');
  t.end();
});

void t.test('a progress line is removed before an error is printed', (t) => {
  const screen = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  const line = startProgress('sealing', 'bytes', screen as unknown as NodeJS.WriteStream);
  setTimeout(() => {
    line.show(1_000, 2_000);
    t.match(String(screen.read()), /^\r\x1b\[Ksealing/);
    const printed = t.capture(console, 'error', (text: string) => screen.write(`${text}\n`));
    t.equal(reportFailure(new Error('The disk is full.')), 1);
    t.equal(String(screen.read()), '\r\x1b[Kkeyhold: The disk is full.\n');
    t.equal(printed().length, 1);
    line.end();
    t.end();
  }, 1_100);
});
