// The way to a logged-in session: module, token, session, login. graphene-pk11 goes it; the calls of jobs are pkcs11js'
// own, on the same module and session, since graphene makes objects and copies templates for each of them.
import type { Slot } from 'graphene-pk11';
import pkcs11, { type Handle } from 'pkcs11js';
import { HsmError } from '../key-store.js';
import type { StartSettings, TokenListing } from '../start-settings.js';
import type { ModuleQuirks } from '../module-quirks.js';
import { assertUsable, findToken } from '../pkcs11/find-token.js';
import { SessionFlag } from '../pkcs11/graphene.js';
import { loadModule } from '../pkcs11/module.js';
import { meaningOf, toHsmError } from '../pkcs11/return-values.js';

/** State of a read-write session without a login (PKCS #11 v2.40, section 3.3), which pkcs11js does not name. */
const CKS_RW_PUBLIC_SESSION = 2;

/** One logged-in session; a worker has no other. */
export interface Token {
  readonly module: pkcs11.PKCS11;
  readonly slot: Slot;
  readonly session: Handle;
  /** Attributes that no template may carry, by CKA number. */
  readonly omittedAttributes: ReadonlySet<number>;
}

/**
 * Loads the module, finds the token by label or serial number (slot numbers move), and logs in as its user.
 * @param pin UTF-8. graphene and pkcs11js take a string, which cannot be wiped: it stays in this process until
 * collected. Neither keeps it; pkcs11js copies it to native memory for the call.
 * @throws HsmError that says what to correct; 'login-refused' or 'pin-locked' where the token did not take the PIN
 */
export function openToken(settings: StartSettings, pin: Buffer): Token {
  const module = loadModule(settings);
  try {
    const { token, quirks, sparesTries } = settings;
    const { userType = pkcs11.CKU_USER, protectedPath, omittedAttributes } = quirks;
    const found = findToken(module, token);
    assertUsable(found.token, token, { protectedPath, sparesTries });
    const session = found.slot.open(SessionFlag.SERIAL_SESSION | SessionFlag.RW_SESSION);
    // Where the standard has a null pointer for the PIN, pkcs11js 2.1.7 can give an empty one alone.
    session.login(protectedPath ? '' : pin.toString('utf8'), userType);
    return {
      module: module.lib,
      slot: found.slot,
      session: session.handle,
      omittedAttributes: new Set(omittedAttributes?.map(constantOf)),
    };
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
    module.C_GetTokenInfo(slot.handle);
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
  // graphene asks for the details of every mechanism, which a module may refuse for those that are avoided.
  const listed = module.C_GetMechanismList(slot.handle).filter((type) => !out.has(type));
  return listed.map((type) => {
    const { minKeySize, maxKeySize } = module.C_GetMechanismInfo(slot.handle, type);
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
