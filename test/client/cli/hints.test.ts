// The command line's hints: only for errors and operations that exist, and only where the daemon's message is not enough.
import t from 'tap';
import { hintFor } from '../../../client/cli/help/hints.js';
import { OperationError } from '../../../client/cli/session.js';

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
