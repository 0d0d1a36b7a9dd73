/** Why somebody is not let in, or gets no credentials. `daemon/pipeline/error-mapping.ts` says what a client is told. */
export type IdentityErrorCode =
  | 'expired-token'
  | 'incomplete-signature'
  | 'invalid-signature'
  | 'missing-credential'
  | 'session-too-large'
  | 'throttled'
  | 'unreadable-secret'
  | 'unrecognized-credential';

/** A failure by its code, with a message for the client. */
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
