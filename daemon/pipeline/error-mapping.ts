// Maps the errors of the layers below to those of the API: one table for each layer.
import { type ErrorCode, isErrorCode, ServiceError } from '../../proto/errors.js';
import { ArchiveError, type ArchiveErrorCode } from '../audit/archive/archive.js';
import { AuditError } from '../audit/audit-log.js';
import { BackupError, type BackupErrorCode } from '../backup/errors.js';
import { HsmError, type HsmErrorCode } from '../hsm/key-store.js';
import { IdentityError, type IdentityErrorCode } from '../identity/errors.js';
import { KeyError, type KeyErrorCode } from '../keys/index.js';
import { PolicyError, type PolicyErrorCode } from '../policy/errors.js';
import { PeerError, type PeerErrorCode } from '../regions/peer.js';
import { StoreError } from '../store/store.js';

/** If the message is undefined, the error's own message is used, which is written for clients. */
const hsmFailures: Readonly<Record<HsmErrorCode, readonly [code: ErrorCode, message: string | undefined]>> = {
  // The same error for every failed decryption, without a message.
  'invalid-ciphertext': ['InvalidCiphertextException', ''],
  'incorrect-key-material': ['IncorrectKeyMaterialException', undefined],
  'plaintext-too-long': [
    'ValidationException',
    'The plaintext is too long for the encryption algorithm of the destination key.',
  ],
  'no-such-object': [
    'KMSInvalidStateException',
    'The HSM does not hold the material of this key, so the key is unavailable.',
  ],
  unsupported: [
    'UnsupportedOperationException',
    'The HSM does not support this operation. See its list of mechanisms.',
  ],
  'token-full': ['LimitExceededException', 'The HSM has no room for another key.'],
  'read-only': [
    'KMSInternalException',
    'The token is read-only: keys can be used, but not created or destroyed. See the log of the daemon.',
  ],
  unavailable: ['KeyUnavailableException', 'The HSM does not respond at the moment. Try again.'],
  disconnected: [
    'KMSInvalidStateException',
    'The custom key store of this key is not connected, or was disconnected before the operation was done.',
  ],
  'no-token': ['KeyUnavailableException', 'The token is not present. Try again.'],
  'no-session': ['KeyUnavailableException', 'The HSM allows no more sessions at the moment. Try again.'],
  'no-user-pin': ['KeyUnavailableException', 'The token has no user PIN. An operator must set one.'],
  timeout: ['DependencyTimeoutException', 'The HSM did not respond in time. Try again.'],
  overloaded: ['ThrottlingException', 'Too many requests are waiting for the HSM. Try again more slowly.'],
  'login-refused': [
    'KeyUnavailableException',
    'The HSM refused the PIN, and Keyhold does not try it again by itself. An operator must correct it.',
  ],
  'pin-locked': [
    'KeyUnavailableException',
    'The HSM has locked the PIN, and Keyhold does not try it again. An operator must unlock it.',
  ],
  internal: ['KMSInternalException', 'The HSM failed. See the log of the daemon.'],
};

/** The AWS exception for each key error. */
export const keyErrors: Readonly<Record<KeyErrorCode, ErrorCode>> = {
  disabled: 'DisabledException',
  'expired-import-token': 'ExpiredImportTokenException',
  'incorrect-key-material': 'IncorrectKeyMaterialException',
  'invalid-arn': 'InvalidArnException',
  'invalid-grant-token': 'InvalidGrantTokenException',
  'invalid-import-token': 'InvalidImportTokenException',
  'invalid-key-usage': 'InvalidKeyUsageException',
  'invalid-request': 'ValidationException',
  'invalid-state': 'KMSInvalidStateException',
  'key-store-invalid-state': 'CustomKeyStoreInvalidStateException',
  'key-store-not-found': 'CustomKeyStoreNotFoundException',
  'limit-exceeded': 'LimitExceededException',
  'not-found': 'NotFoundException',
  'unsupported-operation': 'UnsupportedOperationException',
};

const identityErrors: Readonly<Record<IdentityErrorCode, ErrorCode>> = {
  'expired-token': 'ExpiredTokenException',
  'incomplete-signature': 'IncompleteSignatureException',
  'invalid-signature': 'InvalidSignatureException',
  'missing-credential': 'MissingAuthenticationTokenException',
  'session-too-large': 'PackedPolicyTooLargeException',
  throttled: 'ThrottlingException',
  'unreadable-secret': 'KMSInternalException',
  'unrecognized-credential': 'UnrecognizedClientException',
};

const backupErrors: Readonly<Record<BackupErrorCode, ErrorCode>> = {
  'in-progress': 'ConflictException',
  'no-such-backup': 'NotFoundException',
  'no-token': 'UnsupportedOperationException',
  'not-written': 'KMSInternalException',
  // Only programs that read backups raise these two.
  newer: 'ValidationException',
  'not-authentic': 'ValidationException',
};

const archiveErrors: Readonly<Record<ArchiveErrorCode, ErrorCode>> = {
  'no-folder': 'ValidationException',
  'not-yet': 'ConflictException',
  'not-written': 'KMSInternalException',
};

const policyErrors: Readonly<Record<PolicyErrorCode, ErrorCode>> = {
  'access-denied': 'AccessDeniedException',
  'limit-exceeded': 'LimitExceededException',
  'malformed-policy': 'MalformedPolicyDocumentException',
};

const peerErrors: Readonly<Record<PeerErrorCode, ErrorCode>> = {
  'not-linked': 'UnsupportedOperationException',
  unreachable: 'DependencyTimeoutException',
  unknown: 'DependencyTimeoutException',
  // Another Keyhold may know errors that this one does not.
  refused: 'KMSInternalException',
};

function peerErrorOf({ code, refusal }: PeerError): ErrorCode {
  return refusal !== undefined && isErrorCode(refusal) ? refusal : peerErrors[code];
}

/** The code for an error of the domain; undefined: it is another error. */
function codeOf(error: unknown): ErrorCode | undefined {
  if (error instanceof KeyError) return keyErrors[error.code];
  if (error instanceof PeerError) return peerErrorOf(error);
  if (error instanceof ArchiveError) return archiveErrors[error.code];
  if (error instanceof BackupError) return backupErrors[error.code];
  if (error instanceof IdentityError) return identityErrors[error.code];
  return error instanceof PolicyError ? policyErrors[error.code] : undefined;
}

/** Converts any error to one of the API, with the original as its cause for the log. */
export function toServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  const code = codeOf(error);
  if (code !== undefined) {
    const { message, cause } = error as Error;
    return new ServiceError(code, message, { cause });
  }
  if (error instanceof HsmError) {
    const [code, message] = hsmFailures[error.code];
    return new ServiceError(code, message ?? error.message, { cause: error });
  }
  if (error instanceof AuditError) {
    const message = 'The audit log cannot be written, so requests are refused. See the log of the daemon.';
    return new ServiceError('KMSInternalException', message, { cause: error });
  }
  if (error instanceof StoreError) {
    const message = 'The metadata store cannot be written. See the log of the daemon.';
    return new ServiceError('KMSInternalException', message, { cause: error });
  }
  return new ServiceError('KMSInternalException', 'An internal error occurred. See the log of the daemon.', {
    cause: error,
  });
}
