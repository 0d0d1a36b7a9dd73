// Makes the token that a configuration names, where the module has none with that label. Through PKCS#11 itself and
// not a vendor's tool, because a tool takes the PINs as arguments, which every user of the machine can read.
import pkcs11, { type TokenInfo } from 'pkcs11js';

export interface TokenRequest {
  readonly library: string;
  /** At most 32 bytes of UTF-8. */
  readonly label: string;
  readonly soPin: string;
  readonly pin: string;
}

/**
 * Makes the token with its user PIN; finishes one that an interrupted run left without a PIN.
 * @returns false where there was nothing to do
 * @throws Error that says what the module refused
 */
export function initToken({ library, label, soPin, pin }: TokenRequest): boolean {
  const module = new pkcs11.PKCS11();
  module.load(library);
  module.C_Initialize();
  try {
    const slotOf = (wanted: (token: TokenInfo) => boolean) => {
      return module.C_GetSlotList(true).find((slot) => wanted(module.C_GetTokenInfo(slot)));
    };
    const hasLabel = (token: TokenInfo) => token.label.trim() === label;
    if (slotOf(hasLabel) === undefined) {
      const free = slotOf((token) => (token.flags & pkcs11.CKF_TOKEN_INITIALIZED) === 0);
      if (free === undefined) throw new Error(`${library} has no free slot for a token '${label}'.`);
      module.C_InitToken(free, soPin, label.padEnd(32));
    }
    // SoftHSM gives a new token another slot, so it is looked up again.
    const slot = slotOf(hasLabel);
    if (slot === undefined)
      throw new Error(`${library} does not show the token '${label}' that it just made.`);
    if ((module.C_GetTokenInfo(slot).flags & pkcs11.CKF_USER_PIN_INITIALIZED) !== 0) return false;
    const session = module.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION);
    module.C_Login(session, pkcs11.CKU_SO, soPin);
    module.C_InitPIN(session, pin);
    module.C_Logout(session);
    module.C_CloseSession(session);
    return true;
  } finally {
    module.C_Finalize();
    module.close();
  }
}
