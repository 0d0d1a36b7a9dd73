// Opens and closes the logged-in session, with graphene-pk11. Jobs call pkcs11js directly on the same module and session,
// because graphene creates objects and copies templates in every call.
import type { Slot } from 'graphene-pk11';
import pkcs11, { type Handle } from 'pkcs11js';
import { HsmError } from '../key-store.js';
import type { StartSettings, TokenListing } from '../start-settings.js';
import type { ModuleQuirks } from '../module-quirks.js';
import { assertUsable, findToken } from '../pkcs11/find-token.js';
import { SessionFlag } from '../pkcs11/graphene.js';
import { loadModule } from '../pkcs11/module.js';
import { meaningOf, toHsmError } from '../pkcs11/return-values.js';

/** State of a read-write session that is not logged in (PKCS #11 v2.40, section 3.3), which pkcs11js does not name. */
const CKS_RW_PUBLIC_SESSION = 2;

/** The one logged-in session of a worker. */
export interface Token {
  readonly module: pkcs11.PKCS11;
  /** As the module was loaded: its path, or a name that the loader finds. */
  readonly library: string;
  readonly slot: Slot;
  readonly session: Handle;
  /** Attributes that the module accepts in no template, by CKA number. */
  readonly omittedAttributes: ReadonlySet<number>;
}

/**
 * Loads the module, finds the token by label or serial number (slot numbers move), and logs in as its user.
 * @param pin in UTF-8. graphene and pkcs11js take a string, which cannot be wiped and stays in memory until it is
 * garbage-collected. Neither keeps it; pkcs11js copies it to native memory for the call.
 * @throws HsmError that says what to correct; 'login-refused' or 'pin-locked' if the token refused the PIN
 */
export function openToken(settings: StartSettings, pin: Buffer): Token {
  const module = loadModule(settings);
  try {
    const { token, quirks, sparesTries } = settings;
    const { userType = pkcs11.CKU_USER, protectedPath, omittedAttributes } = quirks;
    const found = findToken(module, token);
    assertUsable(found.token, token, { protectedPath, sparesTries });
    const session = found.slot.open(SessionFlag.SERIAL_SESSION | SessionFlag.RW_SESSION);
    // The standard demands a null pointer for the PIN here; pkcs11js 2.1.7 can only pass an empty PIN.
    session.login(protectedPath ? '' : pin.toString('utf8'), userType);
    return {
      module: module.lib,
      library: settings.library,
      slot: found.slot,
      session: session.handle,
      omittedAttributes: new Set(omittedAttributes?.map(constantOf)),
    };
  } catch (error) {
    throw toHsmError(error);
  }
}

/**
 * Whether the token is present and the session still logged in. Some modules report the loss only in these calls: if its
 * storage is gone, SoftHSM 2.6.1 finds no objects, and returns the same error as for an invalid ciphertext.
 */
export function isThere({ module, slot, session }: Token): boolean {
  try {
    module.C_GetTokenInfo(slot.handle);
    module.C_GenerateRandom(session, Buffer.alloc(8));
    // The state of a logged-in session depends on the type of user.
    return module.C_GetSessionInfo(session).state !== CKS_RW_PUBLIC_SESSION;
  } catch {
    return false;
  }
}

/** Whether an error means that the session is lost, so that only a new login helps. */
export function isSessionLost(error: unknown, token: Token | undefined): boolean {
  if (error instanceof TokenGoneError) return true;
  const meaning = meaningOf(error);
  if (meaning?.unexplained) return token !== undefined && !isThere(token);
  return meaning?.sessionLost === true;
}

/** The token turned out to be gone although the module reported no error. */
export class TokenGoneError extends HsmError {
  constructor() {
    super('unavailable', 'The token is gone; Keyhold reconnects.');
  }
}

/** Lists the token's mechanisms without those that the profile avoids, with the profile's sizes of RSA keys. */
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

/** Looks up a PKCS#11 constant. @param name its name in pkcs11t.h, or a number as `0x…` @throws HsmError 'internal' */
function constantOf(name: string): number {
  const known: unknown = (pkcs11 as unknown as Readonly<Record<string, unknown>>)[name];
  const value = typeof known === 'number' ? known : Number(name);
  if (Number.isInteger(value)) return value;
  throw new HsmError(
    'internal',
    `The profile of the module names the unknown constant ${name}: write its number instead.`,
  );
}

/** Logs out and finalizes the module. */
export function closeToken({ module, session }: Token): void {
  module.C_Logout(session);
  module.C_CloseSession(session);
  module.C_Finalize();
}
