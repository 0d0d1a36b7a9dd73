// keyhold seed: creates the keys of a file.
import type { Command } from 'commander';
import { startProgress } from '../../../proto/progress.js';
import type { SeedKeyRequest, SeedKeyResponse } from '../../../proto/generated/messages.js';
import { ServiceError } from '../../errors.js';
import { OperationError, withClient } from '../session.js';

/** Adds `keyhold seed`. */
export function addSeedCommand(program: Command): void {
  program
    .command('seed')
    .helpGroup('Import and adoption:')
    .description('Creates the keys of a YAML file, for development. Keys that exist stay.')
    .argument('<file>', 'the YAML file; docs/seed.md describes it')
    .action((file: string) => seed(file));
}

async function seed(file: string): Promise<void> {
  // Loaded here: its libraries take as long to load as a whole other command.
  const { readSeedFile } = await import('./seed-file.js');
  const keys = readSeedFile(file);
  await withClient(async (client) => {
    // All keys are checked before any is created, so that a difference changes nothing.
    await all('checking', keys, (key) => client.seedKey({ ...key, checkOnly: true }));
    const outcomes = await all('creating', keys, (key) => client.seedKey(key));
    for (const { keyMaterial } of keys) keyMaterial?.fill(0);
    for (const { keyId, outcome } of outcomes) process.stdout.write(`${outcome?.toLowerCase()} ${keyId}\n`);
    const created = outcomes.filter(({ outcome }) => outcome === 'CREATED').length;
    process.stdout.write(`${created} created, ${outcomes.length - created} unchanged\n`);
  }, 'SeedKey');
}

/** Calls an operation for each key, one after another. @throws OperationError with the messages of all that failed */
async function all(
  verb: string,
  keys: readonly SeedKeyRequest[],
  call: (key: SeedKeyRequest) => Promise<SeedKeyResponse>,
): Promise<SeedKeyResponse[]> {
  const responses: SeedKeyResponse[] = [];
  const errors: ServiceError[] = [];
  const progress = startProgress(verb, 'items');
  for (const [index, key] of keys.entries()) {
    progress.show(index, keys.length);
    try {
      responses.push(await call(key));
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      errors.push(error);
    }
  }
  progress.end();
  const [first] = errors;
  if (!first) return responses;
  const messages = [...new Set(errors.map(({ message }) => message))];
  throw new OperationError('SeedKey', { code: first.code, message: messages.join('\n') });
}
