import { Module, type Session, SessionFlag, UserType } from 'graphene-pk11';
import pkcs11 from 'pkcs11js';

/** Path of SoftHSM's PKCS#11 module. */
export const softHsmLibrary = '/usr/lib/softhsm/libsofthsm2.so';
const tokenLabel = 'keyhold';
const tries = 50;
/** Milliseconds. */
const pause = 100;

/**
 * Loads a module and logs in to the token of a Keyhold's home as its user.
 *
 * SoftHSM rewrites a token's files at each login. A module that reads them in that moment finds no such token until it is
 * initialised again, so this tries again for five seconds.
 * @param pin UTF-8
 * @param library path of the PKCS#11 module
 * @returns a read-write session that is logged in
 * @throws Error that names the module if the token is still missing
 */
export function openToken(pin: string, library = softHsmLibrary): Session {
  const module = Module.load(library);
  for (let attempt = 1; attempt <= tries; attempt++) {
    // p11-kit's client accepts no other arguments.
    module.initialize({ flags: pkcs11.CKF_OS_LOCKING_OK });
    const slot = [...module.getSlots(true)].find((each) => each.getToken().label === tokenLabel);
    if (slot) {
      const session = slot.open(SessionFlag.SERIAL_SESSION | SessionFlag.RW_SESSION);
      session.login(pin, UserType.USER);
      return session;
    }
    module.finalize();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
  }
  throw new Error(
    `${library} shows no token '${tokenLabel}'; the daemon's home or its configuration is gone.`,
  );
}
