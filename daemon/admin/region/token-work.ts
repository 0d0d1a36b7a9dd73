// Work on a token in the process of an admin program, which loads the module itself.
import { turnOffCoreDumps } from '../../app/core-dumps.js';
import { writeModuleFiles } from '../../app/opening/module-files.js';
import { ConfigError, loadProfile } from '../../config/load.js';
import { loginPin, readPin } from '../../config/pin.js';
import type { Profile } from '../../config/profile.js';
import { HsmError } from '../../hsm/key-store.js';
import type { AskPin, CeremonyToken } from '../../hsm/link/index.js';
import { fileLatch, isRefusal, refusalText } from '../../hsm/pool/latch.js';
import { type Target, targetOf } from '../hsm/target.js';

/** A token, and its user's PIN from the source that keyhold.yaml or an option names. */
export interface OpenToken {
  readonly home: string;
  readonly login: Profile['login'];
  /** For messages. */
  readonly tokenName: string;
  readonly settings: CeremonyToken;
  readonly user: AskPin;
}

/**
 * Lets a program work on a token in this process. A PIN of the user that the token refused before is not tried, and one that
 * it refuses now is tried again neither by this program nor by the daemon.
 * @param home absolute path
 * @param target default: the token of the default key store
 * @throws HsmError, ConfigError; what the work throws
 */
export async function withToken<T>(
  home: string,
  work: (token: OpenToken) => Promise<T>,
  { name, token }: Target = targetOf(home, {}),
): Promise<T> {
  const { tokenLabel: label, tokenSerial: serial, tokenSlot: slot, pin } = token;
  const profile = loadProfile(token.profile, home);
  const latch = fileLatch(home, name);
  if (latch.isSet()) throw new HsmError(latch.refusal(), refusalText(name));
  const fault = turnOffCoreDumps();
  if (fault !== undefined) process.stderr.write(`${fault}\n`);
  writeModuleFiles(home, profile);
  Object.assign(process.env, profile.environment);
  let isUsersTurn = false;
  const user = async () => {
    isUsersTurn = true;
    return await loginPin(profile, token, () => {
      if (pin) return readPin(pin, home);
      throw new ConfigError(`There is no 'pin', which logins of ${profile.name} need.`);
    });
  };
  const { library, initialize, tokenFiles } = profile;
  const settings = { library, initialize, tokenFiles, token: { label, serial, slot } };
  try {
    const tokenName = label ?? serial ?? `slot ${slot ?? '?'}`;
    return await work({ home, login: profile.login, tokenName, settings, user });
  } catch (error) {
    if (isUsersTurn && error instanceof HsmError && isRefusal(error.code))
      latch.set(error.code, error.message);
    throw error;
  }
}
