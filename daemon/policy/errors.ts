/** Reasons why a policy or a request is refused. `daemon/pipeline/error-mapping.ts` maps them to AWS's errors. */
export type PolicyErrorCode = 'access-denied' | 'limit-exceeded' | 'malformed-policy';

/** The error of policies. Its message is for the client. */
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
