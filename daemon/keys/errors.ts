/** Reasons for which a request about keys fails. `daemon/pipeline/error-mapping.ts` maps them to AWS's errors. */
export type KeyErrorCode =
  | 'disabled'
  | 'expired-import-token'
  | 'incorrect-key-material'
  | 'invalid-arn'
  | 'invalid-grant-token'
  | 'invalid-import-token'
  | 'invalid-key-usage'
  | 'invalid-request'
  | 'invalid-state'
  | 'key-store-invalid-state'
  | 'key-store-not-found'
  | 'limit-exceeded'
  | 'not-found'
  | 'unsupported-operation';

/** An error of this folder. Its message is for the client. */
export class KeyError extends Error {
  override readonly name = 'KeyError';

  constructor(
    readonly code: KeyErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
