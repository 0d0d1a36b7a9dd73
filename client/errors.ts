import { longestMessage, shown } from '../proto/text.js';

export { exceptions, type ErrorCode, ServiceError } from '../proto/errors.js';

/** Whether the same request may succeed later, by what happened to the connection. */
const connectionErrors = {
  /** Nothing answers at the address. */
  NotConnected: true,
  /** The connection broke, and the request was sent again as often as is allowed. */
  ConnectionLost: true,
  /** The connection broke before the reply to a request that must not be repeated blindly. */
  OutcomeUnknown: true,
  /** The client was closed. */
  Closed: false,
  /** What answers is no daemon, or not one that this client trusts. */
  NotADaemon: false,
  /** The address or the socket cannot be used by this process. */
  InvalidEndpoint: false,
  /** There are no credentials to sign with. */
  NoCredentials: false,
} as const;

export type ConnectionErrorCode = keyof typeof connectionErrors;

/** The daemon could not be asked, or its answer was lost. */
export class ConnectionError extends Error {
  readonly code: ConnectionErrorCode;
  /** The same request may succeed later. */
  readonly retryable: boolean;

  constructor(code: ConnectionErrorCode, message: string, options?: ErrorOptions) {
    super(shown(message, longestMessage), options);
    this.name = 'ConnectionError';
    this.code = code;
    this.retryable = connectionErrors[code];
  }
}

/** The error for a request that must not be repeated blindly, and whose reply was lost. */
export function outcomeUnknown(daemon: string, operation: string, cause: Error): ConnectionError {
  return new ConnectionError(
    'OutcomeUnknown',
    `The connection to ${daemon} broke before the reply to ${operation}: it may or may not have been done. Look before you repeat it.`,
    { cause },
  );
}

/** The error for a request that was sent as often as is allowed, and lost its connection each time. */
export function connectionLost(
  daemon: string,
  operation: string,
  attempts: number,
  cause: Error,
): ConnectionError {
  const message = `The connection to ${daemon} broke ${attempts} times before the reply to ${operation}.`;
  return new ConnectionError('ConnectionLost', message, { cause });
}

/** No reply came in time; the daemon may have done what it was asked. */
export class TimeoutError extends Error {
  readonly code = 'Timeout';
  readonly retryable = true;

  constructor(message: string) {
    super(shown(message, longestMessage));
    this.name = 'TimeoutError';
  }
}

/** What may be wrong with a key, or with what is asked of it, where no daemon takes part. */
export type CryptoErrorCode =
  'InvalidKey' | 'IncompatibleAlgorithm' | 'InvalidMessage' | 'UnsupportedAlgorithm';

/** A key, message or algorithm that cannot be used here. The same call fails again. */
export class CryptoError extends Error {
  readonly code: CryptoErrorCode;
  readonly retryable = false;

  constructor(code: CryptoErrorCode, message: string, options?: ErrorOptions) {
    super(shown(message, longestMessage), options);
    this.name = 'CryptoError';
    this.code = code;
  }
}
