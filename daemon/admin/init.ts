// keyhold init: creates everything that a new home needs. The next run finishes an interrupted one. If there are traces of an
// earlier installation, nothing is created.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { restoreAuditPublicKey } from '../app/opening/audit-public-key.js';
import { keepHomePrivate } from '../app/opening/home-files.js';
import { ensureConfiguredCertificates } from '../app/opening/home-preparation.js';
import { checkInternalKeys, type Instance, readInstance } from '../app/opening/instance.js';
import { readOwnInstance } from '../app/opening/open-home.js';
import { openKeyStore } from '../app/opening/open-key-store.js';
import { createStore, hasStore, openStore } from '../app/opening/open-store.js';
import { load } from '../app/reload.js';
import { ConfigError, loadConfig, loadProfile } from '../config/load.js';
import { fileFault } from '../files/fs-errors.js';
import { homePaths } from '../files/home.js';
import { makeFolderSync, replaceFileSync, syncTreeSync } from '../files/replace-file.js';
import { HsmError, type KeyStore } from '../hsm/key-store.js';
import { isRefusal } from '../hsm/pool/latch.js';
import { createLog } from '../observability/log.js';
import { type MetadataStore, StoreError } from '../store/store.js';
import { makeInternalKeys, storeNewInstance } from './init/instance.js';
import { InitJournal } from './init/journal.js';
import { Leftovers } from './init/leftovers.js';
import {
  addSettings,
  configurationText,
  givenSettings,
  refuseIgnored,
  refuseUnreachable,
} from './init/settings.js';
import { makeToken, syncTokens } from './init/token.js';
import { refuseTracesInHome, refuseTracesInToken } from './init/traces.js';
import { addHomeOption, homeOf, runProgram } from './program.js';

interface InitOptions {
  readonly makeToken?: boolean;
  readonly shareToken?: boolean;
}

type GivenSettings = ReturnType<typeof givenSettings>;

async function init(home: string, given: GivenSettings, options: InitOptions): Promise<void> {
  const wasInterrupted = existsSync(homePaths(home).initialising);
  const leftovers = new Leftovers(home);
  makeFolderSync(home);
  let journal: InitJournal | undefined;
  try {
    for (const sentence of keepHomePrivate(home)) console.error(`keyhold init: ${sentence}.`);
    journal = await InitJournal.open(home);
    if (hasStore(home) && !(await isUnfinished(home, journal))) {
      if (!wasInterrupted) refuseOptionsOfNewHomes(home, given, options);
      await complete(home);
    } else {
      refuseTracesInHome(home, journal.plan !== undefined);
      await install(home, given, options, { journal, leftovers });
    }
    await journal.finish();
  } finally {
    await journal?.close();
    leftovers.removeFolders();
  }
}

/** @throws ConfigError if options would be ignored, because the home exists */
function refuseOptionsOfNewHomes(
  home: string,
  given: GivenSettings,
  { makeToken, shareToken }: InitOptions,
): void {
  const { configuration } = homePaths(home);
  refuseIgnored(given, loadConfig(home), configuration);
  const options = [makeToken && '--make-token', shareToken && '--share-token'].filter(Boolean);
  if (options.length > 0)
    throw new ConfigError(
      `${home} is a home already, so ${options.join(' and ')} would be ignored. Nothing was changed.`,
    );
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

/**
 * Creates a home, or what an interrupted run has not created yet. If it fails, it removes what it created; if it cannot, because
 * there are keys in the token, the journal stays and the next run continues.
 */
async function install(
  home: string,
  given: GivenSettings,
  options: InitOptions,
  { journal, leftovers }: { readonly journal: InitJournal; readonly leftovers: Leftovers },
): Promise<void> {
  const wasPlanned = journal.plan !== undefined;
  try {
    await prepare(home, given, options, journal);
    await makeInstance(home, options, journal);
  } catch (error) {
    if (wasPlanned) throw error;
    if (journal.plan === undefined) leftovers.remove();
    else
      console.error(
        `keyhold init: the token has keys that were created for this home. Run 'keyhold init' again after the cause is removed: it continues from here.`,
      );
    throw refusedLogin(error) ?? error;
  }
}

/** The message for a refused PIN: the login latch is removed with the home. */
function refusedLogin(error: unknown): ConfigError | undefined {
  if (!(error instanceof HsmError) || !isRefusal(error.code)) return undefined;
  return new ConfigError(
    'The token refused the PIN. Nothing was left behind, but the token has counted the attempt, and locks after a few: check the PIN before you run init again.',
  );
}

/** Configuration, certificates and, where it was asked for, the token. */
async function prepare(
  home: string,
  given: GivenSettings,
  { makeToken: isToMakeToken }: InitOptions,
  { plan }: InitJournal,
): Promise<void> {
  const { configuration } = homePaths(home);
  const isNew = !existsSync(configuration);
  if (isNew) replaceFileSync(configuration, configurationText(given));
  const config = loadConfig(home);
  if (isNew) refuseUnreachable(given, config);
  else refuseIgnored(given, config, configuration);
  loadProfile(config.hsm.profile, home);
  await ensureConfiguredCertificates(home, config);
  load(home, config);
  if (isToMakeToken) await makeToken(home, config, plan === undefined);
}

/** The daemon's own keys, the store, and the root's credentials. */
async function makeInstance(home: string, { shareToken }: InitOptions, journal: InitJournal): Promise<void> {
  const config = loadConfig(home);
  const keyStore = await openKeyStore(home, config, createLog('warn'), 1);
  const wasPlanned = journal.plan !== undefined;
  try {
    const { tokenLabel, tokenSerial } = config.hsm;
    const tokenName = `'${tokenLabel ?? tokenSerial ?? ''}'`;
    if (!shareToken) refuseTracesInToken(keyStore.objects, journal.plan, { home, tokenName });
    let instance: Instance;
    try {
      instance = await makeInternalKeys(config, journal, keyStore);
    } catch (error) {
      if (!wasPlanned) await dropInternalKeys(journal, keyStore);
      throw error;
    }
    const store = await createStore(home);
    try {
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

/** Destroys the keys that this run created, and drops the plan; if the HSM fails, the plan stays. */
async function dropInternalKeys(journal: InitJournal, keyStore: KeyStore): Promise<void> {
  try {
    for (const id of Object.values(journal.plan?.keys ?? {}).flat())
      await keyStore.destroy(Buffer.from(id, 'hex'));
    journal.forget();
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
  }
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
  await ensureConfiguredCertificates(home, config);
  const keyStore = await openKeyStore(home, config, createLog('warn'), 1);
  try {
    checkInternalKeys(instance, keyStore);
    await restoreAuditPublicKey(home, instance, keyStore);
  } finally {
    await keyStore.close();
  }
}

const program = addSettings(addHomeOption(new Command('keyhold init')))
  .description(
    'Creates configuration, certificates and root credentials in a new KEYHOLD_HOME, and keys of its own in the token. Never replaces those of an existing one.',
  )
  .option(
    '--make-token',
    'initialise the token too; for profiles with a set-up, such as softhsm2, for development',
  )
  .option('--share-token', "use a token that has another Keyhold's objects, and leave these alone");

await runProgram(program, async () => {
  try {
    await init(resolve(homeOf(program)), givenSettings(program), program.opts<InitOptions>());
    return 0;
  } catch (error) {
    const fault = fileFault(error);
    throw fault === undefined ? error : new ConfigError(fault);
  }
});
