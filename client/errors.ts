import { longestMessage, shown } from '../proto/text.js';

export { exceptions, type ErrorCode, ServiceError } from '../proto/errors.js';

/** The codes of connection errors, and whether the same request may succeed later. */
const connectionErrors = {
  /** Nothing answers at the address. */
  NotConnected: true,
  /** The connection broke each time that the request was sent. */
  ConnectionLost: true,
  /** The connection broke before the response to a request that is not safe to repeat. */
  OutcomeUnknown: true,
  /** The client was closed. */
  Closed: false,
  /** The peer is not a daemon, or not one that this client trusts. */
  NotADaemon: false,
  /** This process cannot use the address or the socket. */
  InvalidEndpoint: false,
  /** There are no credentials to sign with. */
  NoCredentials: false,
} as const;

/** Why a daemon could not be asked. */
export type ConnectionErrorCode = keyof typeof connectionErrors;

/** The daemon could not be reached, or its response was lost. */
export class ConnectionError extends Error {
  readonly code: ConnectionErrorCode;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;

  /** @param message one sentence that says what to do; it is shown as `shown` has it */
  constructor(code: ConnectionErrorCode, message: string, options?: ErrorOptions) {
    super(shown(message, longestMessage), options);
    this.name = 'ConnectionError';
    this.code = code;
    this.retryable = connectionErrors[code];
  }
}

/** The error for a request that is not safe to repeat, and whose response was lost. */
export function outcomeUnknown(daemon: string, operation: string, cause: Error): ConnectionError {
  return new ConnectionError(
    'OutcomeUnknown',
    `The connection to ${daemon} broke before the reply to ${operation}: it may or may not have been executed. Check before you repeat it.`,
    { cause },
  );
}

/** The error for a request whose connection broke each time that it was sent. */
export function connectionLost(
  daemon: string,
  operation: string,
  attempts: number,
  cause: Error,
): ConnectionError {
  const message = `The connection to ${daemon} broke ${attempts} times before the reply to ${operation}.`;
  return new ConnectionError('ConnectionLost', message, { cause });
}

/** No response came in time. The daemon may have executed the request. */
export class TimeoutError extends Error {
  readonly code = 'Timeout';
  readonly retryable = true;

  /** @param message one sentence; it is shown as `shown` has it */
  constructor(message: string) {
    super(shown(message, longestMessage));
    this.name = 'TimeoutError';
  }
}

/** Why `verify` or `importDataKeyPair` cannot use a key, a message or an algorithm. */
export type CryptoErrorCode =
  'InvalidKey' | 'IncompatibleAlgorithm' | 'InvalidMessage' | 'UnsupportedAlgorithm';

/** A key, message or algorithm that cannot be used here. The same call fails again. */
export class CryptoError extends Error {
  readonly code: CryptoErrorCode;
  readonly retryable = false;

  /** @param message one sentence that says what to do; it is shown as `shown` has it */
  constructor(code: CryptoErrorCode, message: string, options?: ErrorOptions) {
    super(shown(message, longestMessage), options);
    this.name = 'CryptoError';
    this.code = code;
  }
}
