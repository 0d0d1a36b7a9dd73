// Hints for errors for which AWS KMS sends no message, or an unhelpful one.

const noRotation = 'Asymmetric and HMAC keys cannot be rotated. Create a new key.';
const ciphertext =
  'The ciphertext was altered, was encrypted with another key, or needs the encryption context and algorithm with which it was encrypted.';
const principals =
  'Each AWS principal of the policy must be an existing user or role of this account, a session of such a role, or the account. ' +
  "'keyhold list-users' and 'keyhold list-roles' show them.";
const invalidPrincipals = 'Policy contains a statement with one or more invalid principals.';

/** Hints by error code and operation; `*` is for all operations. */
const hints: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  InvalidCiphertextException: { Decrypt: ciphertext, ReEncrypt: ciphertext },
  InvalidImportTokenException: {
    '*': 'The import token is not one that GetParametersForImport returned for this key.',
  },
  InvalidMarkerException: {
    '*': 'The marker is not one that this operation returned for the same request. List from the beginning.',
  },
  KMSInvalidMacException: {
    '*': 'The MAC is not the one of this key over this message with this algorithm.',
  },
  KMSInvalidSignatureException: {
    '*': 'The signature is not one of this key over this message with this algorithm and message type.',
  },
  NotAuthorizedException: {
    '*': 'Alias names that begin with alias/aws/ are reserved for the keys of services.',
  },
  UnsupportedOperationException: {
    EnableKeyRotation: noRotation,
    RotateKeyOnDemand: noRotation,
    GetPublicKey: 'Symmetric encryption keys and HMAC keys have no public key.',
  },
  ValidationException: {
    DeriveSharedSecret:
      "The public key must be the DER of a SubjectPublicKeyInfo with an uncompressed point on the key's own named curve.",
  },
};

/**
 * Returns a hint for an error whose message is not enough.
 * @param operation the name of the operation, such as `Decrypt`
 * @param code the error code
 * @param message the message that the daemon sent
 * @returns a sentence; undefined if the message is enough
 */
export function hintFor(operation: string, code: string, message: string): string | undefined {
  if (message === invalidPrincipals) return principals;
  if (/^Signature (expired|not yet current): /.test(message))
    return "The second time is the daemon's limit, the third its clock: set the clock that is wrong.";
  return message === '' ? (hints[code]?.[operation] ?? hints[code]?.['*']) : undefined;
}
