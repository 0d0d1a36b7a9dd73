import { longestMessage, shown } from './text.js';

/** The properties of an error code. */
interface ErrorRow {
  /** The same request may succeed later. */
  readonly retryable: boolean;
  /** Status on the AWS JSON endpoint. */
  readonly httpStatus: 400 | 413 | 500;
}

const refused: ErrorRow = { retryable: false, httpStatus: 400 };
const tooLarge: ErrorRow = { retryable: false, httpStatus: 413 };
const later: ErrorRow = { retryable: true, httpStatus: 400 };
const broken: ErrorRow = { retryable: true, httpStatus: 500 };

/** The closed set of errors, with the names of AWS KMS, IAM and STS. Clients never get any other error. */
export const errorTable = {
  AccessDeniedException: refused,
  AlreadyExistsException: refused,
  CloudHsmClusterInUseException: refused,
  CloudHsmClusterInvalidConfigurationException: refused,
  CloudHsmClusterNotActiveException: refused,
  CloudHsmClusterNotFoundException: refused,
  CloudHsmClusterNotRelatedException: refused,
  ConflictException: refused,
  CustomKeyStoreHasCMKsException: refused,
  CustomKeyStoreInvalidStateException: refused,
  CustomKeyStoreNameInUseException: refused,
  CustomKeyStoreNotFoundException: refused,
  DeleteConflictException: refused,
  DependencyTimeoutException: broken,
  DisabledException: refused,
  DryRunOperationException: refused,
  EntityAlreadyExistsException: refused,
  ExpiredImportTokenException: refused,
  ExpiredTokenException: refused,
  IncompleteSignatureException: refused,
  IncorrectKeyException: refused,
  IncorrectKeyMaterialException: refused,
  IncorrectTrustAnchorException: refused,
  InvalidAliasNameException: refused,
  InvalidArnException: refused,
  InvalidCiphertextException: refused,
  InvalidGrantIdException: refused,
  InvalidGrantTokenException: refused,
  InvalidImportTokenException: refused,
  InvalidKeyUsageException: refused,
  InvalidMarkerException: refused,
  InvalidSignatureException: refused,
  KMSInternalException: broken,
  KMSInvalidMacException: refused,
  KMSInvalidSignatureException: refused,
  KMSInvalidStateException: refused,
  KeyUnavailableException: broken,
  LimitExceededException: refused,
  MalformedPolicyDocumentException: refused,
  MissingAuthenticationTokenException: refused,
  NoSuchEntityException: refused,
  NotAuthorizedException: refused,
  NotFoundException: refused,
  PackedPolicyTooLargeException: refused,
  RequestEntityTooLargeException: tooLarge,
  SerializationException: refused,
  TagException: refused,
  ThrottlingException: later,
  UnknownOperationException: refused,
  UnrecognizedClientException: refused,
  UnsupportedOperationException: refused,
  ValidationException: refused,
} as const satisfies Record<string, ErrorRow>;

/** An error code of AWS, such as `NotFoundException`. */
export type ErrorCode = keyof typeof errorTable;

/** Whether a string is an error code of the set. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}

/** The longest wait that can be encoded, in milliseconds. */
const longestWait = 2 ** 31 - 1;

interface ServiceErrorOptions extends ErrorOptions {
  readonly retryAfter?: number | undefined;
  readonly requestId?: string | undefined;
}

/**
 * An error for a client, with a code and a message that says what to do. The message is always one line of well-formed
 * Unicode of at most 4,096 UTF-16 units, so it can be encoded, logged and printed.
 */
export class ServiceError extends Error {
  readonly code: ErrorCode;
  /** The same request may succeed later. */
  readonly retryable: boolean;
  /** Milliseconds to wait before the next attempt, if the daemon knows. */
  readonly retryAfter: number | undefined;
  /** In clients: the request's ID in the audit log. */
  readonly requestId: string | undefined;

  constructor(code: ErrorCode, message: string, options: ServiceErrorOptions = {}) {
    super(shown(message, longestMessage), options);
    this.name = code;
    this.code = code;
    this.retryable = errorTable[code].retryable;
    this.retryAfter = wait(options.retryAfter);
    this.requestId = options.requestId;
  }
}

/** Converts a time to whole milliseconds that can be encoded. */
function wait(milliseconds: number | undefined): number | undefined {
  if (milliseconds === undefined || Number.isNaN(milliseconds)) return undefined;
  return Math.ceil(Math.min(Math.max(milliseconds, 0), longestWait));
}

type ServiceErrorClass = new (message: string, options?: ServiceErrorOptions) => ServiceError;

/** One class for each code, so that callers can write `error instanceof exceptions.NotFoundException`. */
export const exceptions = Object.fromEntries(
  Object.keys(errorTable).map((code) => [
    code,
    class extends ServiceError {
      constructor(message: string, options?: ServiceErrorOptions) {
        super(code as ErrorCode, message, options);
      }
    },
  ]),
) as unknown as Record<ErrorCode, ServiceErrorClass>;
