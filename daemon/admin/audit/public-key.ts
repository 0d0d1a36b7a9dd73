// The public key that verifies what the daemon signed beside the audit log.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { UsageError } from '../program.js';

/** Reads a key: SubjectPublicKeyInfo in PEM or DER. @throws UsageError if it is not a key on P-256 */
export function readPublicKey(path: string): KeyObject {
  let bytes: Buffer;
  let key: KeyObject;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new UsageError(`cannot read the public key ${path} (${code}): name its file with --public-key`, {
      cause: error,
    });
  }
  try {
    const pem = bytes.includes('-----BEGIN');
    key = createPublicKey(pem ? bytes.toString() : { key: bytes, format: 'der', type: 'spki' });
  } catch (error) {
    throw new UsageError(`${path} is not a public key in PEM or DER (SubjectPublicKeyInfo)`, {
      cause: error,
    });
  }
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new UsageError(`${path} is not an ECDSA P-256 key, which checkpoints are signed with`);
  }
  return key;
}
