// A session with a token as another program has it, which shares the token with Keyhold: by graphene-pk11.
import { Module, type Session, SessionFlag, UserType } from 'graphene-pk11';
import type { Test } from 'tap';

/** SoftHSM2 of Debian. */
export const softHsmLibrary = '/usr/lib/softhsm/libsofthsm2.so';

/** Which SoftHSM token, and its user's PIN. */
export interface SoftToken {
  /** Path of SoftHSM2's configuration. */
  readonly configuration: string;
  readonly label: string;
  readonly pin: string;
}

/**
 * Logs in to a SoftHSM token as its user, in a read-write session that ends with the test. The module reads its
 * configuration when it is initialised: a process has one token at a time.
 * @throws Error where the token is not there
 */
export function openTokenSession(t: Test, { configuration, label, pin }: SoftToken): Session {
  process.env.SOFTHSM2_CONF = configuration;
  const module = Module.load(softHsmLibrary);
  module.initialize();
  t.teardown(() => module.finalize());
  const slot = [...module.getSlots(true)].find((each) => each.getToken().label === label);
  if (slot === undefined) throw new Error(`There is no token '${label}'`);
  const session = slot.open(SessionFlag.SERIAL_SESSION | SessionFlag.RW_SESSION);
  session.login(pin, UserType.USER);
  return session;
}
