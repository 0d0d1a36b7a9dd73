/** Why a policy is refused, or refuses a request. `daemon/pipeline/error-mapping.ts` says what a client is told. */
export type PolicyErrorCode = 'access-denied' | 'limit-exceeded' | 'malformed-policy';

/** A failure by its code, with a message for the client. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';

  constructor(
    readonly code: PolicyErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
