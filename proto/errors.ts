import { longestMessage, shown } from './text.js';

/** What a caller may conclude from an error code. */
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

/** The closed set of errors, by the names that AWS KMS, IAM and STS give them. Nothing else ever reaches a client. */
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

/** The code of an error, as AWS names it: `NotFoundException`. */
export type ErrorCode = keyof typeof errorTable;

/** Whether a string that came from outside is an error code of the set. */
export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}

/** The greatest wait that has an encoding, in milliseconds. */
const longestWait = 2 ** 31 - 1;

interface ServiceErrorOptions extends ErrorOptions {
  readonly retryAfter?: number | undefined;
  readonly requestId?: string | undefined;
}

/**
 * A refusal or failure that a client is told: its code, and a sentence that says what to do. Whatever the message was made
 * of, it is one line of well-formed Unicode of at most 4,096 UTF-16 units, so it can always be encoded, logged and printed.
 */
export class ServiceError extends Error {
  readonly code: ErrorCode;
  /** The same request may succeed later. */
  readonly retryable: boolean;
  /** Milliseconds to wait before the next try, where the daemon knows. */
  readonly retryAfter: number | undefined;
  /** At a client: the id of the request, by which the daemon's operator finds it in the audit log. */
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

/** Whole milliseconds that have an encoding, whatever a time was computed from. */
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
