// keyhold migrate: moves the keys of one key store to another.
import { type Command, InvalidArgumentError } from 'commander';
import { startProgress } from '../../../proto/progress.js';
import type { Client } from '../../client.js';
import { ServiceError } from '../../errors.js';
import { pagesOf } from '../pages.js';
import { withClient } from '../session.js';

const defaultStore = 'default';
const whatItDoes =
  'Nothing is exported or re-encrypted: key material never leaves an HSM. Each symmetric key gets new key material in the ' +
  'other key store and encrypts with it from then on. Older ciphertexts decrypt in the old key store.';

interface Options {
  readonly from: string;
  readonly to: string;
  readonly keyId?: string[];
}

/** Adds `keyhold migrate`. */
export function addMigrateCommand(program: Command): void {
  program
    .command('migrate')
    .summary('Moves the keys of a key store to another one.')
    .helpGroup('Key stores:')
    .description(`Moves the keys of a key store to another one. ${whatItDoes}`)
    .requiredOption('--from <store>', "'default', or the ID or name of a custom key store", notEmpty)
    .requiredOption('--to <store>', "'default', or the ID or name of a custom key store", notEmpty)
    .option('--key-id <ids...>', 'only these keys; all keys of the store if not given')
    .action((options: Options) => migrate(options));
}

function notEmpty(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must name a key store.');
  return text;
}

async function migrate({ from, to, keyId: only }: Options): Promise<void> {
  await withClient(async (client) => {
    const source = await storeIdOf(client, from);
    const customKeyStoreId = await storeIdOf(client, to);
    process.stdout.write(`${whatItDoes}\n`);
    const reading = startProgress('reading keys', 'items');
    const keyIds: string[] = [];
    for await (const keyId of keysOf(client, source, only)) reading.show(keyIds.push(keyId));
    reading.end();
    let moved = 0;
    let stayed = 0;
    const progress = startProgress('migrating', 'items');
    const say = (line: string) => {
      progress.clear();
      process.stdout.write(`${line}\n`);
    };
    for (const keyId of keyIds) {
      progress.show(moved + stayed, keyIds.length);
      try {
        const { keyMaterialId } = await client.migrateKey({ keyId, customKeyStoreId });
        say(`moved ${keyId}: encrypts with material ${keyMaterialId}`);
        moved++;
      } catch (error) {
        if (!(error instanceof ServiceError) || error.code !== 'UnsupportedOperationException') throw error;
        say(error.message);
        stayed++;
      }
    }
    progress.end();
    process.stdout.write(`${moved} moved, ${stayed} not moved\n`);
    if (moved > 0)
      process.stdout.write(
        `Keep '${from}' connected while there are older ciphertexts; 're-encrypt' moves those that you have.\n`,
      );
  }, 'MigrateKey');
}

/** Finds a key store. @returns its ID; undefined for the default key store @throws CustomKeyStoreNotFoundException */
async function storeIdOf(client: Client, store: string): Promise<string | undefined> {
  if (store === defaultStore) return undefined;
  const named = store.startsWith('cks-') ? { customKeyStoreId: store } : { customKeyStoreName: store };
  return (await client.describeCustomKeyStores(named)).customKeyStores?.[0]?.customKeyStoreId;
}

async function* keysOf(
  client: Client,
  customKeyStoreId: string | undefined,
  only: readonly string[] | undefined,
): AsyncIterable<string> {
  for await (const keyId of only ?? allKeys(client)) {
    const { keyMetadata } = await client.describeKey({ keyId });
    if (keyMetadata?.customKeyStoreId === customKeyStoreId && keyMetadata?.keyManager === 'CUSTOMER')
      yield keyMetadata.keyId ?? keyId;
  }
}

async function* allKeys(client: Client): AsyncIterable<string> {
  for await (const { keys = [] } of pagesOf((marker) => client.listKeys({ marker })))
    for (const { keyId } of keys) if (keyId !== undefined) yield keyId;
}
