// keyhold recover key-policy KEY: gives a key the default policy, with which the account root can do everything. The way
// out where a policy lets nobody manage the key any more. It needs what only the machine's operator has: the daemon
// stopped, which is what the lock of the metadata store shows, and the HSM with its PIN, without which no record changes.
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { ServiceError } from '../../proto/errors.js';
import { AuditError } from '../audit/audit-log.js';
import { hasEvent } from '../audit/search.js';
import { ConfigError, loadConfig } from '../config/load.js';
import { HsmError, type KeyStore } from '../hsm/key-store.js';
import { openKeyStore } from '../hsm-connection.js';
import { Namer } from '../keys/identifiers.js';
import { Keyring, putKey } from '../keys/keyring.js';
import { createLog } from '../observability/log.js';
import { loadRecords, openAudit, readOwnInstance } from '../opening.js';
import { makeServiceEvent } from '../operations/audit-event.js';
import { OwedEvents } from '../operations/owed-events.js';
import { Recorder } from '../operations/recorder.js';
import { defaultKeyPolicy } from '../policy/key-policies.js';
import { LevelStore } from '../store/leveldb.js';
import { type MetadataStore, StoreError } from '../store/store.js';

async function recover(home: string, identifier: string): Promise<string> {
  const store = await LevelStore.open(join(home, 'metadata'));
  try {
    const keyStore = await openKeyStore(home, loadConfig(home), createLog('warn'), 1);
    try {
      return await withHsm(home, identifier, store, keyStore);
    } finally {
      await keyStore.close();
    }
  } finally {
    await store.close();
  }
}

/** @returns the key's ARN */
async function withHsm(home: string, identifier: string, store: MetadataStore, keyStore: KeyStore) {
  const config = loadConfig(home);
  const instance = await readOwnInstance(store, config);
  const records = await loadRecords(store, instance, keyStore);
  const { account, region } = instance;
  const keyring = new Keyring(records, new Namer(account, region));
  const key = keyring.find(identifier);
  const { record, arn } = key;
  if (record.keyManager === 'AWS')
    throw new ConfigError(`${arn} is the key of a service: its policy is fixed, and locks nobody out.`);
  const watch = { recovered: () => Promise.resolve() };
  const audit = await openAudit(home, config, instance, keyStore, createLog('warn'), watch);
  try {
    const owed = new OwedEvents(records, audit);
    await owed.complete((eventId, after) => hasEvent(join(home, 'audit'), eventId, after));
    const policy = defaultKeyPolicy(account);
    const changes = () => [putKey({ ...record, policy, policyBindings: undefined })];
    const details = { keyId: record.keyId, replacedPolicy: record.policy };
    const event = makeServiceEvent('RecoverKeyPolicy', account, region, details, key);
    await new Recorder(records, audit, owed).commit({ changes }, event);
    await owed.flush();
  } finally {
    await audit.close();
  }
  return arn;
}

const program = new Command('keyhold recover key-policy')
  .description(
    'Gives a key the default policy, with which the account root can do everything. Stop the daemon first; the HSM must be there.',
  )
  .argument('<key>', 'key ID, key ARN, alias name or alias ARN')
  .exitOverride();

const known = [ConfigError, HsmError, StoreError, AuditError, ServiceError];

async function main(): Promise<number> {
  try {
    program.parse();
  } catch (error) {
    return error instanceof CommanderError && error.exitCode === 0 ? 0 : 2;
  }
  try {
    const home = process.env.KEYHOLD_HOME;
    if (!home)
      throw new ConfigError("KEYHOLD_HOME is not set: it names the folder that 'keyhold init' made.");
    const arn = await recover(home, program.args[0]!);
    console.log(`${arn} has the default key policy again: the account root can manage it.`);
    return 0;
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    console.error(
      `keyhold recover key-policy: ${known.some((kind) => error instanceof kind) || !stack ? message : stack}`,
    );
    return 1;
  }
}

process.exitCode = await main();
