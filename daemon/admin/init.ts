// keyhold init: makes everything that a home needs, and leaves alone what is there. A run that was interrupted is
// finished or undone by the next one.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { z } from 'zod';
import { ConfigError, loadConfig, loadProfile } from '../config/load.js';
import { readPin } from '../config/pin.js';
import type { Config } from '../config/schema.js';
import { type KeyStore, HsmError } from '../hsm/key-store.js';
import { openKeyStore } from '../hsm-connection.js';
import { AccessKeys } from '../identity/access-keys.js';
import { toPem } from '../identity/pem.js';
import type { PrincipalRecord } from '../identity/records.js';
import {
  type Instance,
  instanceKey,
  instanceRecordKey,
  instanceText,
  internalObjectId,
  readInstance,
  secretsKey,
} from '../instance.js';
import { hmacSha256, type InternalKeyPurpose, internalKeys } from '../keys/specs.js';
import { createLog } from '../observability/log.js';
import { LevelStore } from '../store/leveldb.js';
import { Records } from '../store/records.js';
import { type MetadataStore, StoreError } from '../store/store.js';
import { ensureCertificates } from './certificates.js';
import { writeSecretFile } from './files.js';
import { initToken } from './init-token.js';

interface InitOptions {
  readonly account: string;
  readonly region: string;
  readonly profile: string;
  readonly tokenLabel: string;
}

/** Object ids of keys that an interrupted run may have made. */
const initialisingKey = 'meta/initialising';
const initialisingRecord = z.array(z.string().regex(/^[0-9a-f]{32}$/));

async function init(home: string, options: InitOptions): Promise<void> {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  if (!existsSync(join(home, 'keyhold.yaml')))
    writeSecretFile(join(home, 'keyhold.yaml'), configText(options));
  const config = loadConfig(home);
  await ensureToken(home, config);
  await ensureCertificates(home);
  const store = await LevelStore.open(join(home, 'metadata'));
  try {
    if (!(await readInstance(store))) await initInstance(home, config, store);
  } finally {
    await store.close();
  }
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

/** Makes the token where the home holds a PIN for its security officer, as the set-up of SoftHSM2 leaves one. */
async function ensureToken(home: string, { hsm }: Config): Promise<void> {
  const soPinFile = join(home, 'tokens', 'so-pin');
  if (hsm.tokenLabel === undefined || hsm.pin === undefined || !existsSync(soPinFile)) return;
  const profile = loadProfile(hsm.profile, home);
  Object.assign(process.env, profile.environment);
  const pin = await readPin(hsm.pin, home);
  const soPin = readFileSync(soPinFile, 'utf8');
  try {
    initToken({ library: profile.library, label: hsm.tokenLabel, soPin, pin: pin.toString() });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(
      `The module of profile '${hsm.profile}' could not make the token '${hsm.tokenLabel}': ${reason}`,
    );
  } finally {
    pin.fill(0);
  }
}

async function initInstance(home: string, config: Config, store: MetadataStore): Promise<void> {
  const keyStore = await openKeyStore(home, config, createLog('warn'), 1);
  try {
    await undoInterrupted(store, keyStore);
    const instance = await makeInternalKeys(config, store, keyStore);
    const macKey = internalObjectId(instance, 'record-mac');
    const mac = (message: Buffer) => keyStore.sign(macKey, hmacSha256, 'none', message);
    const records = await Records.load(store, instance.storeId, mac);
    const credentials = await makeRoot(instance, records, keyStore);
    const publicKey = await keyStore.publicKey(internalObjectId(instance, 'audit-signing'));
    writeSecretFile(join(home, 'audit-public-key.pem'), toPem(publicKey, 'PUBLIC KEY'), 0o644);
    writeSecretFile(join(home, 'credentials'), credentials);
    await store.batch([
      { type: 'put', key: instanceKey, value: Buffer.from(instanceText(instance)) },
      { type: 'delete', key: initialisingKey },
    ]);
  } finally {
    await keyStore.close();
  }
}

/** Before the instance is stored nothing counts yet, so what an interrupted run left is removed. */
async function undoInterrupted(store: MetadataStore, keyStore: KeyStore): Promise<void> {
  const bytes = await store.get(initialisingKey);
  if (!bytes) return;
  for (const id of initialisingRecord.parse(JSON.parse(bytes.toString())))
    await keyStore.destroy(Buffer.from(id, 'hex'));
  const stale: string[] = [];
  for await (const { key } of store.range({ from: '', to: '\uffff' })) stale.push(key);
  await store.batch(stale.map((key) => ({ type: 'delete', key })));
}

async function makeInternalKeys(config: Config, store: MetadataStore, keyStore: KeyStore): Promise<Instance> {
  const purposes = Object.keys(internalKeys) as InternalKeyPurpose[];
  const ids = new Map<InternalKeyPurpose, Buffer>();
  for (const purpose of purposes) ids.set(purpose, await keyStore.random(16));
  const hex = (purpose: InternalKeyPurpose) => ids.get(purpose)!.toString('hex');
  const value = Buffer.from(JSON.stringify(purposes.map(hex)));
  await store.batch([{ type: 'put', key: initialisingKey, value }]);
  for (const [purpose, id] of ids) {
    await keyStore.generate(id, `keyhold/internal/${purpose}`, internalKeys[purpose]);
  }
  return {
    format: 2,
    storeId: randomUUID(),
    account: config.account,
    region: config.region,
    internalKeys: {
      'record-mac': hex('record-mac'),
      secrets: hex('secrets'),
      'audit-signing': hex('audit-signing'),
    },
  };
}

/** Stores the root principal with an access key. @returns the credentials file, in the format that AWS tools read */
async function makeRoot(instance: Instance, records: Records, keyStore: KeyStore): Promise<string> {
  const accessKeys = new AccessKeys(records, keyStore, secretsKey(instance));
  const principalId = instance.account;
  const { accessKeyId, secretAccessKey, change } = await accessKeys.create(principalId);
  const root: PrincipalRecord = { type: 'Root', createdAt: Date.now() / 1000 };
  await records.commit([
    { key: instanceRecordKey, value: instanceText(instance) },
    { key: `principal/${principalId}`, value: JSON.stringify(root) },
    change,
  ]);
  return `[default]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
}

const program = new Command('keyhold init')
  .description(
    'Makes configuration, token, certificates and root credentials in KEYHOLD_HOME, where they are missing.',
  )
  .option('--account <id>', '12 digits', '000000000000')
  .option('--region <name>', 'Region name', 'us-east-1')
  .option('--profile <name>', 'HSM profile, a file of hsm-config', 'softhsm2')
  .option('--token-label <label>', 'label of the token', 'keyhold')
  .exitOverride();

async function main(): Promise<number> {
  try {
    program.parse();
    const home = process.env.KEYHOLD_HOME;
    if (!home) throw new ConfigError('KEYHOLD_HOME is not set: it names the folder to initialise.');
    await init(home, program.opts<InitOptions>());
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const known = error instanceof ConfigError || error instanceof HsmError || error instanceof StoreError;
    console.error(
      `keyhold init: ${error instanceof Error ? (known ? error.message : (error.stack ?? error.message)) : ''}`,
    );
    return 1;
  }
}

process.exitCode = await main();
