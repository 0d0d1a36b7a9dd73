// keyhold init: creates everything that a new home needs. The next run finishes an interrupted one. If there are traces of an
// earlier installation, nothing is created.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { restoreAuditPublicKey } from '../app/opening/audit-public-key.js';
import { ConfigError, loadConfig, loadProfile, profileFolder } from '../config/load.js';
import { readPin } from '../config/pin.js';
import type { Profile } from '../config/profile.js';
import type { Config } from '../config/schema.js';
import { fileFault } from '../files/fs-errors.js';
import { makeFolderSync, replaceFileSync, syncFolderSync, syncTreeSync } from '../files/replace-file.js';
import { keepHomePrivate } from '../app/opening/home-files.js';
import { openKeyStore } from '../app/opening/open-key-store.js';
import { checkInternalKeys, type Instance, readInstance } from '../app/opening/instance.js';
import { writeModuleFiles } from '../app/opening/module-files.js';
import { createLog } from '../observability/log.js';
import { readOwnInstance } from '../app/opening/open-home.js';
import { createStore, hasStore, openStore } from '../app/opening/open-store.js';
import { type MetadataStore, StoreError } from '../store/store.js';
import { ensureCertificates } from '../app/opening/certificates.js';
import { makeInternalKeys, storeNewInstance } from './init/instance.js';
import { InitJournal } from './init/journal.js';
import { refuseTracesInHome, refuseTracesInToken } from './init/traces.js';
import { initializeToken } from './hsm/initialize-token.js';
import { setTornTokensAside } from './hsm/torn-token.js';
import { addHomeOption, homeOf, runProgram } from './program.js';
import { homePaths } from '../files/home.js';

interface InitOptions {
  readonly account: string;
  readonly region: string;
  readonly profile: string;
  readonly tokenLabel: string;
  readonly shareToken?: boolean;
}

async function init(home: string, options: InitOptions): Promise<void> {
  makeFolderSync(home);
  for (const sentence of keepHomePrivate(home)) console.error(`keyhold init: ${sentence}.`);
  const journal = await InitJournal.open(home);
  try {
    if (hasStore(home) && !(await isUnfinished(home, journal))) {
      await complete(home);
    } else {
      refuseTracesInHome(home, journal.plan !== undefined);
      await install(home, options, journal);
    }
    await journal.finish();
  } finally {
    await journal.close();
  }
}

/** Whether an existing store was left empty by an interrupted run. */
async function isUnfinished(home: string, { plan }: InitJournal): Promise<boolean> {
  const store = await openStore(home);
  try {
    if (plan !== undefined && (await isEmpty(store))) return true;
    if (await readInstance(store)) return false;
    throw new StoreError(
      'corrupt',
      `The metadata store ${homePaths(home).metadata} has no instance record: it was removed, or a part of the store is lost. Nothing was changed. ` +
        'Restore the metadata store from a backup.',
    );
  } finally {
    await store.close();
  }
}

async function isEmpty(store: MetadataStore): Promise<boolean> {
  const entries = store.range({ from: '', to: '\uffff' })[Symbol.asyncIterator]();
  const { done = false } = await entries.next();
  await entries.return?.();
  return done;
}

/** Creates a home, or what an interrupted run has not created yet. */
async function install(home: string, options: InitOptions, journal: InitJournal): Promise<void> {
  if (!existsSync(homePaths(home).configuration))
    replaceFileSync(homePaths(home).configuration, configText(options));
  const config = loadConfig(home);
  await ensureToken(home, config, journal.plan === undefined);
  await ensureCertificates(home);
  const keyStore = await openKeyStore(home, config, createLog('warn'), 1);
  try {
    const { tokenLabel, tokenSerial } = config.hsm;
    const tokenName = `'${tokenLabel ?? tokenSerial ?? ''}'`;
    if (!options.shareToken) refuseTracesInToken(keyStore.objects, journal.plan, { home, tokenName });
    await journal.begin();
    const store = await createStore(home);
    try {
      const instance = await makeInternalKeys(config, journal, keyStore);
      // The keys are on stable storage before anything that depends on them.
      syncTokens(home);
      await storeNewInstance(home, instance, store, keyStore);
    } finally {
      await store.close();
    }
    syncTreeSync(homePaths(home).metadata);
  } finally {
    await keyStore.close();
  }
  syncTokens(home);
}

/** Restores the files that an existing home may lack after a restore and that can be made again. */
async function complete(home: string): Promise<void> {
  const config = loadConfig(home);
  const store = await openStore(home);
  let instance: Instance;
  try {
    instance = await readOwnInstance(store, config);
  } finally {
    await store.close();
  }
  await ensureCertificates(home);
  const keyStore = await openKeyStore(home, config, createLog('warn'), 1);
  try {
    checkInternalKeys(instance, keyStore);
    await restoreAuditPublicKey(home, instance, keyStore);
  } finally {
    await keyStore.close();
  }
}

/** Syncs the token files in the home, because the module may not have done so. */
function syncTokens(home: string): void {
  if (existsSync(homePaths(home).tokens)) syncTreeSync(homePaths(home).tokens);
}

function configText({ account, region, profile, tokenLabel }: InitOptions): string {
  return `# Keyhold's configuration; docs/configuration.md lists every setting.
account: "${account}"
region: ${region}
hsm:
  profile: ${profile}
  tokenLabel: ${JSON.stringify(tokenLabel)}
  pin:
    file: tokens/pin
`;
}

/**
 * Initialises the token if the home has a PIN for its security officer, which the set-up of SoftHSM2 creates.
 * @param isUnused whether no keys have been created in the token yet
 */
async function ensureToken(home: string, { hsm }: Config, isUnused: boolean): Promise<void> {
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
  if (setup === undefined) return;
  try {
    await promisify(execFile)(join(profileFolder, setup), [home]);
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    throw new ConfigError(`The set-up of profile '${name}' failed: ${stderr.trim() || message}`);
  }
}

const program = addHomeOption(new Command('keyhold init'))
  .description(
    'Creates configuration, token, certificates and root credentials in a new KEYHOLD_HOME. Never replaces those of an existing one.',
  )
  .option('--account <id>', '12 digits', '000000000000')
  .option('--region <name>', 'Region name', 'us-east-1')
  .option('--profile <name>', 'HSM profile, a file of hsm-config', 'softhsm2')
  .option('--token-label <label>', 'label of the token', 'keyhold')
  .option('--share-token', "use a token that has another Keyhold's objects, and leave these alone");

await runProgram(program, async () => {
  try {
    await init(homeOf(program), program.opts<InitOptions>());
    return 0;
  } catch (error) {
    const fault = fileFault(error);
    throw fault === undefined ? error : new ConfigError(fault);
  }
});
