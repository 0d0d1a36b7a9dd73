/**
 * Reasons why authentication fails or credentials are not issued. `daemon/pipeline/error-mapping.ts` maps them to AWS's
 * errors.
 */
export type IdentityErrorCode =
  | 'expired-token'
  | 'incomplete-signature'
  | 'invalid-signature'
  | 'missing-credential'
  | 'session-too-large'
  | 'throttled'
  | 'unreadable-secret'
  | 'unrecognized-credential';

/** The error of authentication. Its message is for the client. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';

  constructor(
    readonly code: IdentityErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
