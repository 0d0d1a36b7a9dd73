// Initialises the token of a new home, if the profile has a set-up.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeModuleFiles } from '../../app/opening/module-files.js';
import { ConfigError, loadProfile, profileFolder } from '../../config/load.js';
import { readPin } from '../../config/pin.js';
import type { Profile } from '../../config/profile.js';
import type { Config } from '../../config/schema.js';
import { homePaths } from '../../files/home.js';
import { syncFolderSync, syncTreeSync } from '../../files/replace-file.js';
import { initializeToken } from '../hsm/initialize-token.js';
import { setTornTokensAside } from '../hsm/torn-token.js';

/** Syncs the token files in the home, because the module may not have done so. */
export function syncTokens(home: string): void {
  if (existsSync(homePaths(home).tokens)) syncTreeSync(homePaths(home).tokens);
}

/**
 * Runs the set-up of the profile, and initialises the token if the home then has a PIN for its security officer, which the
 * set-up of SoftHSM2 creates.
 * @param isUnused whether no keys have been created in the token yet
 * @throws ConfigError
 */
export async function makeToken(home: string, { hsm }: Config, isUnused: boolean): Promise<void> {
  const profile = loadProfile(hsm.profile, home);
  await runSetup(home, hsm.profile, profile);
  writeModuleFiles(home, profile);
  const soPinFile = homePaths(home).securityOfficerPin;
  if (hsm.tokenLabel === undefined || hsm.pin === undefined || !existsSync(soPinFile)) return;
  Object.assign(process.env, profile.environment);
  const pin = await readPin(hsm.pin, home);
  const soPin = readFileSync(soPinFile);
  const { library, initialize } = profile;
  const request = { library, initialize, label: hsm.tokenLabel, soPin, pin };
  const attempt = () => {
    try {
      initializeToken(request);
    } catch (error) {
      const mayMove = isUnused && profile.tokenInHome && profile.tokenFiles === 'softhsm2';
      if (!mayMove || setTornTokensAside(home).length === 0) throw error;
      initializeToken(request);
    }
  };
  try {
    attempt();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(
      `The module of profile '${hsm.profile}' could not initialise the token '${hsm.tokenLabel}': ${reason}`,
    );
  } finally {
    pin.fill(0);
    soPin.fill(0);
  }
  syncTokens(home);
  if (profile.keepSoPin) return;
  rmSync(soPinFile);
  syncFolderSync(homePaths(home).tokens);
  console.error(
    `keyhold init: the token is initialised, and ${soPinFile} was removed, because the security officer's PIN must not be stored beside the user's. Keep it elsewhere.`,
  );
}

/** Runs the set-up script of a profile, which creates missing files in the home. */
async function runSetup(home: string, name: string, { setup }: Profile): Promise<void> {
  if (setup === undefined)
    throw new ConfigError(
      `Profile '${name}' makes no token: make one with the tools of the HSM, and leave out --make-token.`,
    );
  try {
    await promisify(execFile)(join(profileFolder, setup), [home]);
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    throw new ConfigError(`The set-up of profile '${name}' failed: ${stderr.trim() || message}`);
  }
}
