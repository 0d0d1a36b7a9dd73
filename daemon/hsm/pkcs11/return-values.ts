// The one place where PKCS#11 return values get a meaning (PKCS #11 v2.40, section 5.1).
import pkcs11 from 'pkcs11js';
import { HsmError, type HsmErrorCode } from '../key-store.js';

interface Meaning {
  readonly code: HsmErrorCode;
  /** What to do or know, for a human. */
  readonly advice: string;
  /** The session, login or token is gone: the worker ends and a new one connects anew. */
  readonly sessionLost?: true;
  /** A handle that the worker remembers names nothing (any more): it looks the object up again first. */
  readonly staleHandle?: true;
  /** 'invalid': C_Decrypt blames the ciphertext. 'doubtful': that, or, of any call, perhaps the device failed. */
  readonly decrypting?: 'invalid' | 'doubtful';
  /** The module does not say what happened: perhaps the session is lost. */
  readonly unexplained?: true;
  /** It is this one object that does not allow it. */
  readonly objectOnly?: true;
  /** What it says when C_Verify returns it. */
  readonly verifying?: 'wrong';
}

const LOST = {
  code: 'unavailable',
  sessionLost: true,
  advice: 'The session with the token was lost; Keyhold reconnects.',
} as const;
const STALE = { ...LOST, staleHandle: true } as const;
const INVALID = {
  code: 'invalid-ciphertext',
  advice: 'The ciphertext does not decrypt.',
  decrypting: 'invalid',
} as const;
const DOUBTFUL = {
  code: 'internal',
  advice: 'The module failed and does not say why; see its own log.',
  decrypting: 'doubtful',
  unexplained: true,
} as const;
const WRONG_DATA = {
  code: 'internal',
  advice: 'The module refuses the data of this operation.',
  decrypting: 'invalid',
} as const;
const WRONG_SIGNATURE = {
  code: 'internal',
  advice: 'The signature or MAC is wrong.',
  verifying: 'wrong',
} as const;
const UNSUPPORTED = {
  code: 'unsupported',
  advice: 'The module lacks this mechanism, or refuses its parameters or the key template.',
} as const;
const FULL = {
  code: 'token-full',
  advice: 'The token or its memory is full: delete keys that are not needed.',
} as const;
const READ_ONLY = {
  code: 'read-only',
  advice: 'The token is read-only: keys can be used, and none made or destroyed.',
} as const;
const REFUSED = {
  code: 'login-refused',
  advice:
    'The token refused the PIN: put the PIN right before the next login, tokens lock after a few tries.',
} as const;
const LOCKED = {
  code: 'pin-locked',
  advice: 'The token has locked its user PIN: unlock it with the SO PIN before the next login.',
} as const;
const ABSENT = {
  code: 'unavailable',
  advice: 'The module or the token cannot be used now.',
} as const;

const meanings = new Map<number, Meaning>([
  [pkcs11.CKR_SESSION_HANDLE_INVALID, LOST],
  [pkcs11.CKR_SESSION_CLOSED, LOST],
  [pkcs11.CKR_USER_NOT_LOGGED_IN, LOST],
  [pkcs11.CKR_TOKEN_NOT_PRESENT, LOST],
  [pkcs11.CKR_TOKEN_NOT_RECOGNIZED, LOST],
  [pkcs11.CKR_DEVICE_REMOVED, LOST],
  [pkcs11.CKR_DEVICE_ERROR, LOST],
  [pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED, LOST],
  // An operation that another left behind cannot be ended otherwise before PKCS #11 v3.0.
  [pkcs11.CKR_OPERATION_ACTIVE, LOST],
  // What it was begun with is gone: a login that ends takes operations with it.
  [pkcs11.CKR_OPERATION_NOT_INITIALIZED, LOST],
  [pkcs11.CKR_KEY_HANDLE_INVALID, STALE],
  [pkcs11.CKR_WRAPPING_KEY_HANDLE_INVALID, STALE],
  [pkcs11.CKR_UNWRAPPING_KEY_HANDLE_INVALID, STALE],
  [pkcs11.CKR_OBJECT_HANDLE_INVALID, STALE],

  [pkcs11.CKR_ENCRYPTED_DATA_INVALID, INVALID],
  [pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE, INVALID],
  // CKR_AEAD_DECRYPT_FAILED of PKCS #11 v3.0, which pkcs11js does not name.
  [0x42, INVALID],
  [pkcs11.CKR_WRAPPED_KEY_INVALID, INVALID],
  [pkcs11.CKR_WRAPPED_KEY_LEN_RANGE, INVALID],
  [pkcs11.CKR_DATA_INVALID, WRONG_DATA],
  [pkcs11.CKR_DATA_LEN_RANGE, WRONG_DATA],
  [pkcs11.CKR_SIGNATURE_INVALID, WRONG_SIGNATURE],
  [pkcs11.CKR_SIGNATURE_LEN_RANGE, WRONG_SIGNATURE],
  // SoftHSM 2.6.1 returns CKR_GENERAL_ERROR for a wrong tag.
  [pkcs11.CKR_GENERAL_ERROR, DOUBTFUL],
  [pkcs11.CKR_FUNCTION_FAILED, DOUBTFUL],

  [pkcs11.CKR_MECHANISM_INVALID, UNSUPPORTED],
  [pkcs11.CKR_MECHANISM_PARAM_INVALID, UNSUPPORTED],
  [pkcs11.CKR_FUNCTION_NOT_SUPPORTED, UNSUPPORTED],
  [pkcs11.CKR_ATTRIBUTE_TYPE_INVALID, UNSUPPORTED],
  [pkcs11.CKR_ATTRIBUTE_VALUE_INVALID, UNSUPPORTED],
  // SoftHSM returns it for a copy of an object of which CKA_MODIFIABLE is false.
  [pkcs11.CKR_ATTRIBUTE_READ_ONLY, { ...UNSUPPORTED, objectOnly: true }],
  [pkcs11.CKR_TEMPLATE_INCOMPLETE, UNSUPPORTED],
  [pkcs11.CKR_TEMPLATE_INCONSISTENT, UNSUPPORTED],
  [pkcs11.CKR_KEY_SIZE_RANGE, UNSUPPORTED],
  [pkcs11.CKR_KEY_TYPE_INCONSISTENT, UNSUPPORTED],
  [pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED, UNSUPPORTED],
  [pkcs11.CKR_DOMAIN_PARAMS_INVALID, UNSUPPORTED],
  // CKR_CURVE_NOT_SUPPORTED of PKCS #11 v3.0, which pkcs11js does not name.
  [0x140, UNSUPPORTED],
  [pkcs11.CKR_RANDOM_NO_RNG, UNSUPPORTED],

  // CKR_ACTION_PROHIBITED of PKCS #11 v2.40, which pkcs11js does not name.
  [0x1b, { ...UNSUPPORTED, objectOnly: true }],

  [pkcs11.CKR_DEVICE_MEMORY, FULL],

  [pkcs11.CKR_PIN_INCORRECT, REFUSED],
  [pkcs11.CKR_PIN_INVALID, REFUSED],
  [pkcs11.CKR_PIN_LEN_RANGE, REFUSED],
  [pkcs11.CKR_PIN_EXPIRED, REFUSED],
  [pkcs11.CKR_PIN_LOCKED, LOCKED],

  [pkcs11.CKR_HOST_MEMORY, ABSENT],
  [
    pkcs11.CKR_SESSION_COUNT,
    {
      code: 'no-session',
      advice: 'The token allows no more sessions: lower the number of workers, or end others.',
    },
  ],
  [pkcs11.CKR_SLOT_ID_INVALID, ABSENT],
  [pkcs11.CKR_TOKEN_WRITE_PROTECTED, READ_ONLY],
  [pkcs11.CKR_SESSION_READ_ONLY, READ_ONLY],
  [pkcs11.CKR_USER_PIN_NOT_INITIALIZED, ABSENT],
  [pkcs11.CKR_USER_ANOTHER_ALREADY_LOGGED_IN, ABSENT],
  [pkcs11.CKR_FUNCTION_REJECTED, ABSENT],
]);

const UNKNOWN: Meaning = {
  code: 'internal',
  advice: 'The module returned an error that Keyhold does not expect.',
  unexplained: true,
};

// pkcs11js throws "CKR_NAME:number"; its wrapper turns that into an object with a code, save for C_FindObjects.
function returnValueOf(error: unknown): { name: string; value: number } | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'number' && error.code !== 0)
    return { name: error.message, value: error.code };
  const [, name, value] = /^(CKR_\w+):(\d+)/.exec(error.message) ?? [];
  return name === undefined ? undefined : { name, value: Number(value) };
}

/** Meaning of a return value that pkcs11js threw; undefined for any other error. */
export function meaningOf(error: unknown): Meaning | undefined {
  const returned = returnValueOf(error);
  return returned && (meanings.get(returned.value) ?? UNKNOWN);
}

/** What a job answers for an error that its handler threw. */
export function toHsmError(error: unknown): HsmError {
  if (error instanceof HsmError) return error;
  const returned = returnValueOf(error);
  if (returned === undefined)
    return new HsmError(
      'internal',
      error instanceof Error ? error.message : 'Unknown error in an HSM worker',
    );
  const { code, advice } = meanings.get(returned.value) ?? UNKNOWN;
  return new HsmError(code, `${advice} (${returned.name}, 0x${returned.value.toString(16)})`);
}
