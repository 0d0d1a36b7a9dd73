// The table of PKCS#11 return values and their meanings (PKCS #11 v2.40, section 5.1).
import pkcs11 from 'pkcs11js';
import { HsmError, type HsmErrorCode } from '../key-store.js';

/** The meaning of a return value. */
interface Meaning {
  readonly code: HsmErrorCode;
  /** What happened or what to do, for an operator. */
  readonly advice: string;
  /** The session, login or token is lost: the worker exits and a new one connects. */
  readonly sessionLost?: true;
  /** A remembered handle is no longer valid: the worker looks the object up again first. */
  readonly staleHandle?: true;
  /** For decryption: 'invalid' blames the ciphertext; 'doubtful' may also mean that the device failed. */
  readonly decrypting?: 'invalid' | 'doubtful';
  /** The module gives no reason; the session may be lost. */
  readonly unexplained?: true;
  /** Only this object does not allow the operation. */
  readonly objectOnly?: true;
  /** From C_Verify it means that the signature is wrong. */
  readonly verifying?: 'wrong';
}

const sessionLost = {
  code: 'unavailable',
  sessionLost: true,
  advice: 'The session with the token was lost; Keyhold reconnects.',
} as const;
const stale = { ...sessionLost, staleHandle: true } as const;
const invalidCiphertext = {
  code: 'invalid-ciphertext',
  advice: 'The ciphertext does not decrypt.',
  decrypting: 'invalid',
} as const;
const doubtfulFailure = {
  code: 'internal',
  advice: 'The module failed without a reason; see its own log.',
  decrypting: 'doubtful',
  unexplained: true,
} as const;
const wrongData = {
  code: 'internal',
  advice: 'The module refuses the data of this operation.',
  decrypting: 'invalid',
} as const;
const wrongSignature = {
  code: 'internal',
  advice: 'The signature or MAC is wrong.',
  verifying: 'wrong',
} as const;
const unsupportedByModule = {
  code: 'unsupported',
  advice: 'The module lacks this mechanism, or refuses its parameters or the key template.',
} as const;
const notWrappable = {
  code: 'unsupported',
  advice:
    'The module does not wrap this key: it wraps no keys of this kind, or the key may not leave the token this way.',
} as const;
const tokenFull = {
  code: 'token-full',
  advice: 'The token or its memory is full: delete keys that are not needed.',
} as const;
const readOnly = {
  code: 'read-only',
  advice: 'The token is read-only: keys can be used, but not created or destroyed.',
} as const;
const pinRefused = {
  code: 'login-refused',
  advice:
    'The token refused the PIN: correct the PIN before the next login, because tokens lock after a few tries.',
} as const;
const pinLocked = {
  code: 'pin-locked',
  advice: 'The token has locked its user PIN: unlock it with the SO PIN before the next login.',
} as const;
const absent = {
  code: 'unavailable',
  advice: 'The module or the token cannot be used now.',
} as const;

const meanings = new Map<number, Meaning>([
  [pkcs11.CKR_SESSION_HANDLE_INVALID, sessionLost],
  [pkcs11.CKR_SESSION_CLOSED, sessionLost],
  [pkcs11.CKR_USER_NOT_LOGGED_IN, sessionLost],
  [pkcs11.CKR_TOKEN_NOT_PRESENT, sessionLost],
  [pkcs11.CKR_TOKEN_NOT_RECOGNIZED, sessionLost],
  [pkcs11.CKR_DEVICE_REMOVED, sessionLost],
  [pkcs11.CKR_DEVICE_ERROR, sessionLost],
  [pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED, sessionLost],
  // Before PKCS #11 v3.0 an operation that was left active can be ended only with its session.
  [pkcs11.CKR_OPERATION_ACTIVE, sessionLost],
  // The operation was begun in a login that has ended since.
  [pkcs11.CKR_OPERATION_NOT_INITIALIZED, sessionLost],
  [pkcs11.CKR_KEY_HANDLE_INVALID, stale],
  [pkcs11.CKR_WRAPPING_KEY_HANDLE_INVALID, stale],
  [pkcs11.CKR_UNWRAPPING_KEY_HANDLE_INVALID, stale],
  [pkcs11.CKR_OBJECT_HANDLE_INVALID, stale],

  [pkcs11.CKR_ENCRYPTED_DATA_INVALID, invalidCiphertext],
  [pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, invalidCiphertext],
  // CKR_AEAD_DECRYPT_FAILED of PKCS #11 v3.0, which pkcs11js does not name.
  [0x42, invalidCiphertext],
  [pkcs11.CKR_WRAPPED_KEY_INVALID, invalidCiphertext],
  [pkcs11.CKR_WRAPPED_KEY_LEN_RANGE, invalidCiphertext],
  [pkcs11.CKR_DATA_INVALID, wrongData],
  [pkcs11.CKR_DATA_LEN_RANGE, wrongData],
  [pkcs11.CKR_SIGNATURE_INVALID, wrongSignature],
  [pkcs11.CKR_SIGNATURE_LEN_RANGE, wrongSignature],
  // SoftHSM 2.6.1 returns CKR_GENERAL_ERROR for a wrong tag.
  [pkcs11.CKR_GENERAL_ERROR, doubtfulFailure],
  [pkcs11.CKR_FUNCTION_FAILED, doubtfulFailure],

  [pkcs11.CKR_MECHANISM_INVALID, unsupportedByModule],
  [pkcs11.CKR_MECHANISM_PARAM_INVALID, unsupportedByModule],
  [pkcs11.CKR_FUNCTION_NOT_SUPPORTED, unsupportedByModule],
  [pkcs11.CKR_ATTRIBUTE_TYPE_INVALID, unsupportedByModule],
  [pkcs11.CKR_ATTRIBUTE_VALUE_INVALID, unsupportedByModule],
  // SoftHSM returns it for a copy of an object whose CKA_MODIFIABLE is false.
  [pkcs11.CKR_ATTRIBUTE_READ_ONLY, { ...unsupportedByModule, objectOnly: true }],
  [pkcs11.CKR_TEMPLATE_INCOMPLETE, unsupportedByModule],
  [pkcs11.CKR_TEMPLATE_INCONSISTENT, unsupportedByModule],
  [pkcs11.CKR_KEY_SIZE_RANGE, unsupportedByModule],
  [pkcs11.CKR_KEY_TYPE_INCONSISTENT, unsupportedByModule],
  [pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED, unsupportedByModule],
  [pkcs11.CKR_DOMAIN_PARAMS_INVALID, unsupportedByModule],
  // CKR_CURVE_NOT_SUPPORTED of PKCS #11 v3.0, which pkcs11js does not name.
  [0x140, unsupportedByModule],
  [pkcs11.CKR_RANDOM_NO_RNG, unsupportedByModule],
  [pkcs11.CKR_KEY_NOT_WRAPPABLE, notWrappable],
  [pkcs11.CKR_KEY_UNEXTRACTABLE, notWrappable],

  // CKR_ACTION_PROHIBITED of PKCS #11 v2.40, which pkcs11js does not name.
  [0x1b, { ...unsupportedByModule, objectOnly: true }],

  [pkcs11.CKR_DEVICE_MEMORY, tokenFull],

  [pkcs11.CKR_PIN_INCORRECT, pinRefused],
  [pkcs11.CKR_PIN_INVALID, pinRefused],
  [pkcs11.CKR_PIN_LEN_RANGE, pinRefused],
  [pkcs11.CKR_PIN_EXPIRED, pinRefused],
  [pkcs11.CKR_PIN_LOCKED, pinLocked],

  [pkcs11.CKR_HOST_MEMORY, absent],
  [
    pkcs11.CKR_SESSION_COUNT,
    {
      code: 'no-session',
      advice:
        'The token allows no more sessions: lower the number of workers, or close sessions of other programs.',
    },
  ],
  [pkcs11.CKR_SLOT_ID_INVALID, absent],
  [pkcs11.CKR_TOKEN_WRITE_PROTECTED, readOnly],
  [pkcs11.CKR_SESSION_READ_ONLY, readOnly],
  [pkcs11.CKR_USER_PIN_NOT_INITIALIZED, absent],
  [pkcs11.CKR_USER_ANOTHER_ALREADY_LOGGED_IN, absent],
  [pkcs11.CKR_FUNCTION_REJECTED, absent],
]);

const unexpected: Meaning = {
  code: 'internal',
  advice: 'The module returned an error that Keyhold does not expect.',
  unexplained: true,
};

/**
 * Reads the return value that pkcs11js threw: "CKR_NAME:number", which its wrapper turns into an object with a code, save for
 * C_FindObjects. @returns undefined for any other error
 */
export function returnValueOf(error: unknown): { name: string; value: number } | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'number' && error.code !== 0)
    return { name: error.message, value: error.code };
  const [, name, value] = /^(CKR_\w+):(\d+)/.exec(error.message) ?? [];
  return name === undefined ? undefined : { name, value: Number(value) };
}

/** Looks up the meaning of a return value that pkcs11js threw. @returns undefined for any other error */
export function meaningOf(error: unknown): Meaning | undefined {
  const returned = returnValueOf(error);
  return returned && (meanings.get(returned.value) ?? unexpected);
}

/** Converts an error of pkcs11js, or any other, to an {@link HsmError}. */
export function toHsmError(error: unknown): HsmError {
  if (error instanceof HsmError) return error;
  const returned = returnValueOf(error);
  if (returned === undefined)
    return new HsmError(
      'internal',
      error instanceof Error ? error.message : 'Unknown error in an HSM worker',
    );
  const { code, advice } = meanings.get(returned.value) ?? unexpected;
  return new HsmError(code, `${advice} (${returned.name}, 0x${returned.value.toString(16)})`);
}
