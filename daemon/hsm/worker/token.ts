// The way to a logged-in session: module, token, session, login.
import { existsSync } from 'node:fs';
import pkcs11, { type Handle, type TokenInfo } from 'pkcs11js';
import { HsmError } from '../key-store.js';
import type { ModuleQuirks, StartSettings, TokenListing, TokenName } from '../messages.js';
import { meaningOf, toHsmError } from './return-values.js';

/** State of a read-write session without a login (PKCS #11 v2.40, section 3.3), which pkcs11js does not name. */
const CKS_RW_PUBLIC_SESSION = 2;

/** One logged-in session; a worker has no other. */
export interface Token {
  readonly module: pkcs11.PKCS11;
  readonly slot: Handle;
  readonly session: Handle;
  /** Attributes that no template may carry, by CKA number. */
  readonly omittedAttributes: ReadonlySet<number>;
}

/**
 * Loads the module, finds the token by label or serial number (slot numbers move), and logs in as its user.
 * @param pin UTF-8. pkcs11js takes a string, which cannot be wiped: it stays in this process until collected.
 * @throws HsmError that says what to correct; 'login-refused' or 'pin-locked' where the token did not take the PIN
 */
export function openToken(settings: StartSettings, pin: Buffer): Token {
  const module = loadModule(settings);
  try {
    const { slot, info } = findToken(module, settings);
    assertUsable(info, settings);
    const session = module.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION);
    const { userType = pkcs11.CKU_USER, protectedPath, omittedAttributes } = settings.quirks;
    // Where the standard has a null pointer for the PIN, pkcs11js 2.1.7 can give an empty one alone.
    module.C_Login(session, userType, protectedPath ? '' : pin.toString('utf8'));
    return { module, slot, session, omittedAttributes: new Set(omittedAttributes?.map(constantOf)) };
  } catch (error) {
    throw toHsmError(error);
  }
}

/**
 * Whether the token answers for itself, and the login counts. Some modules only say so when asked: SoftHSM 2.6.1 finds no
 * objects where its storage is gone, and returns the same error as for a wrong ciphertext.
 */
export function isThere({ module, slot, session }: Token): boolean {
  try {
    module.C_GetTokenInfo(slot);
    module.C_GenerateRandom(session, Buffer.alloc(8));
    // Which other state it is depends on the user's type.
    return module.C_GetSessionInfo(session).state !== CKS_RW_PUBLIC_SESSION;
  } catch {
    return false;
  }
}

/** Whether an error means that only a new login helps. */
export function isSessionLost(error: unknown, token: Token | undefined): boolean {
  if (error instanceof TokenGoneError) return true;
  const meaning = meaningOf(error);
  if (meaning?.unexplained) return token !== undefined && !isThere(token);
  return meaning?.sessionLost === true;
}

/** The token was found to be gone where its module said nothing. */
export class TokenGoneError extends HsmError {
  constructor() {
    super('unavailable', 'The token is gone; Keyhold reconnects.');
  }
}

/** The mechanisms that the module has for the token and the profile lets be used. */
export function listMechanisms(
  { module, slot }: Token,
  { avoided = [], rsaBits }: ModuleQuirks,
): TokenListing['mechanisms'] {
  const out = new Set(avoided.map(constantOf));
  const listed = module.C_GetMechanismList(slot).filter((type) => !out.has(type));
  return listed.map((type) => {
    const { minKeySize, maxKeySize } = module.C_GetMechanismInfo(slot, type);
    if (type !== pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN) return [type, minKeySize, maxKeySize];
    return [type, Math.max(minKeySize, rsaBits?.min ?? 0), Math.min(maxKeySize, rsaBits?.max ?? Infinity)];
  });
}

/** @param name of a constant of pkcs11t.h, or a number as `0x…`. @throws HsmError */
function constantOf(name: string): number {
  const known: unknown = (pkcs11 as unknown as Readonly<Record<string, unknown>>)[name];
  const value = typeof known === 'number' ? known : Number(name);
  if (Number.isInteger(value)) return value;
  throw new HsmError('internal', `The profile names ${name}, which is not known: give its number.`);
}

/** Logs out and lets go of the module. */
export function closeToken({ module, session }: Token): void {
  module.C_Logout(session);
  module.C_CloseSession(session);
  module.C_Finalize();
}

function loadModule({ library, initialize }: StartSettings): pkcs11.PKCS11 {
  const module = new pkcs11.PKCS11();
  try {
    module.load(library);
  } catch (error) {
    if (library.includes('/') && !existsSync(library))
      throw new HsmError(
        'unavailable',
        `There is no file ${library}: correct the path of the PKCS#11 module.`,
      );
    throw new HsmError(
      'unavailable',
      `${library} is no PKCS#11 module that can be loaded here: ${(error as Error).message}`,
    );
  }
  try {
    // pkcs11js 2.1.7 passes libraryParameters without its last character.
    module.C_Initialize(
      initialize?.libraryParameters === undefined
        ? initialize
        : { ...initialize, libraryParameters: `${initialize.libraryParameters} ` },
    );
  } catch (error) {
    throw new HsmError('unavailable', `${library} does not start: ${toHsmError(error).message}`);
  }
  return module;
}

interface Found {
  readonly slot: Handle;
  readonly info: TokenInfo;
}

function findToken(module: pkcs11.PKCS11, { token }: StartSettings): Found {
  const wanted = nameOf(token);
  const present: Found[] = module
    .C_GetSlotList(true)
    .filter((slot) => token.slot === undefined || slot.readUInt32LE(0) === token.slot)
    .map((slot) => ({ slot, info: module.C_GetTokenInfo(slot) }))
    .filter(({ info }) => info.flags & pkcs11.CKF_TOKEN_INITIALIZED);
  const matching = present.filter(
    ({ info }) =>
      (token.label === undefined || text(info.label) === token.label) &&
      (token.serial === undefined || text(info.serialNumber) === token.serial),
  );
  const [first, second] = matching;
  if (first === undefined) {
    const there = present.map(({ info }) => `"${text(info.label)}" (${text(info.serialNumber)})`);
    throw new HsmError(
      'no-token',
      `There is no initialised token with ${wanted}. ` +
        (there.length > 0
          ? `There are, by label and serial number: ${there.join(', ')}.`
          : 'The module shows no initialised token at all: initialise one, or correct the module’s configuration.'),
    );
  }
  if (second !== undefined)
    throw new HsmError(
      'unavailable',
      `More than one token has ${wanted}: choose one by its serial number: ` +
        `${matching.map(({ info }) => text(info.serialNumber)).join(', ')}.`,
    );
  return first;
}

/** For a human. */
function nameOf({ label, serial, slot }: TokenName): string {
  return [
    label !== undefined && `label "${label}"`,
    serial !== undefined && `serial number ${serial}`,
    slot !== undefined && `slot id ${slot}`,
  ]
    .filter(Boolean)
    .join(' and ');
}

function assertUsable(info: TokenInfo, { token, quirks, sparesTries }: StartSettings): void {
  const name = `The token with ${nameOf(token)}`;
  if (quirks.protectedPath) {
    if (info.flags & pkcs11.CKF_PROTECTED_AUTHENTICATION_PATH) return;
    // It would take the empty PIN for a wrong one.
    throw new HsmError(
      'unavailable',
      `${name} takes its PIN from programs: its profile must not say protectedPath.`,
    );
  }
  if (!(info.flags & pkcs11.CKF_USER_PIN_INITIALIZED))
    throw new HsmError('no-user-pin', `${name} has no user PIN yet: set one with the module’s own tool.`);
  if (info.flags & pkcs11.CKF_USER_PIN_LOCKED)
    throw new HsmError('pin-locked', `${name} has locked its user PIN: unlock it with the SO PIN.`);
  if (sparesTries && info.flags & (pkcs11.CKF_USER_PIN_COUNT_LOW | pkcs11.CKF_USER_PIN_FINAL_TRY))
    throw new HsmError(
      'unavailable',
      `${name} was given a wrong PIN before, and the tries that are left are not for trying out.`,
    );
}

// Padded with blanks by the standard, with zeros by some modules.
function text(padded: string): string {
  return padded.replace(/[\0 ]+$/, '');
}
