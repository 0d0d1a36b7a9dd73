// A session of another program that shares the token with Keyhold, by graphene-pk11.
import { Module, type Session, SessionFlag, UserType } from 'graphene-pk11';
import type { Test } from 'tap';

/** Debian's SoftHSM2. */
export const softHsmLibrary = '/usr/lib/softhsm/libsofthsm2.so';

/** A SoftHSM token and its user PIN. */
export interface SoftToken {
  /** Path of SoftHSM2's configuration. */
  readonly configuration: string;
  readonly label: string;
  readonly pin: string;
}

/**
 * Logs in to a SoftHSM token as its user, in a read-write session that ends with the test. The module reads its
 * configuration when it is initialised: a process has one token at a time.
 * @throws Error if the token is not present
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
