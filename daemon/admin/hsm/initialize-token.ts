// Initialises the token that a configuration names, if the module has none with that label. This uses PKCS#11 and not a
// vendor's tool, because a tool takes the PINs as arguments, which every user of the machine can read.
import type { Module, Slot, Token } from 'graphene-pk11';
import { hasFlag } from '../../hsm/pkcs11/find-token.js';
import { SessionFlag, TokenFlag, UserType } from '../../hsm/pkcs11/graphene.js';
import { closeModule, loadModule, type ModuleSettings } from '../../hsm/pkcs11/module.js';

/** The token to initialise. */
export interface TokenRequest extends ModuleSettings {
  /** CKA_LABEL of the token, at most 32 bytes of UTF-8. */
  readonly label: string;
  /** PIN of the security officer, UTF-8; the caller wipes it. */
  readonly soPin: Buffer;
  /** PIN of the user, UTF-8; the caller wipes it. */
  readonly pin: Buffer;
}

/** Length in bytes of the label in C_InitToken, padded with blanks (PKCS #11 v2.40, section 5.5). */
const labelLength = 32;

/**
 * Initialises the token and its user PIN, or finishes a token that an interrupted run left without a PIN. graphene needs the
 * PINs as strings, which cannot be wiped and stay in memory until they are garbage-collected.
 * @returns false if there was nothing to do
 * @throws Error, also of pkcs11js, that says what the module refused
 */
export function initializeToken({ label, soPin, pin, ...settings }: TokenRequest): boolean {
  const module = loadModule(settings);
  try {
    const hasLabel = (token: Token) => token.label === label;
    if (findSlot(module, hasLabel) === undefined) {
      const free = findSlot(module, (token) => !hasFlag(token, TokenFlag.TOKEN_INITIALIZED));
      if (free === undefined) throw new Error(`${settings.library} has no free slot for a token '${label}'.`);
      // Not Slot.initToken: graphene 2.3.6 expects pkcs11js to return the label and throws after the token has been
      // initialised; and neither of them pads the label.
      module.lib.C_InitToken(free.handle, soPin.toString(), label.padEnd(labelLength));
    }
    // SoftHSM gives a new token another slot, so it is looked up again.
    const slot = findSlot(module, hasLabel);
    if (slot === undefined)
      throw new Error(`${settings.library} does not show the token '${label}' that it has just initialised.`);
    if (hasFlag(slot.getToken(), TokenFlag.USER_PIN_INITIALIZED)) return false;
    const session = slot.open(SessionFlag.SERIAL_SESSION | SessionFlag.RW_SESSION);
    session.login(soPin.toString(), UserType.SO);
    session.initPin(pin.toString());
    session.logout();
    session.close();
    return true;
  } finally {
    closeModule(module);
  }
}

function findSlot(module: Module, wanted: (token: Token) => boolean): Slot | undefined {
  return [...module.getSlots(true)].find((slot) => wanted(slot.getToken()));
}
