// keyhold seal and keyhold open: encrypt and decrypt files.
import type { Command } from 'commander';
import type { StringMap } from '../../../proto/generated/messages.js';
import { openFile, sealFile } from '../../seal/files.js';
import { startProgress } from '../../../proto/progress.js';
import { withClient } from '../session.js';
import { readMap, UsageError } from '../input/values.js';

const suffix = '.sealed';
const heading = 'Files:';

interface Options {
  readonly keyId: string;
  readonly encryptionContext?: string;
  readonly outputFile?: string;
  readonly force?: boolean;
}

/** Adds `keyhold seal` and `keyhold open`. */
export function addSealCommands(program: Command): void {
  program
    .command('seal')
    .helpGroup(heading)
    .description(`Encrypts a file of any size under a data key, as FILE${suffix}.`)
    .argument('<file>', "the file to seal, or '-' for standard input")
    .requiredOption('--key-id <value>', 'the key: ID, ARN, alias name or alias ARN')
    .option(
      '--encryption-context <value>',
      'pairs that are kept in the clear in the sealed file; name=value,other=value, or JSON',
    )
    .option('--output-file <path>', "the sealed file, or '-' for standard output; FILE.sealed if not given")
    .option('--force', 'replace a file that exists')
    .action((file: string, options: Options) => seal(file, options));
  program
    .command('open')
    .helpGroup(heading)
    .description('Decrypts a sealed file.')
    .argument('<file>', "the sealed file, or '-' for standard input")
    .option(
      '--output-file <path>',
      "the file to write, or '-' for standard output; the name without .sealed if not given",
    )
    .option('--force', 'replace a file that exists')
    .action((file: string, options: Options) => open(file, options));
}

async function seal(file: string, { keyId, encryptionContext, outputFile, force }: Options): Promise<void> {
  const output = outputFile ?? (file === '-' ? '-' : file + suffix);
  const context: StringMap =
    encryptionContext === undefined ? {} : readMap('--encryption-context', encryptionContext);
  await withClient(async (client, signal) => {
    const progress = startProgress('sealing', 'bytes');
    const dataKeys = client.dataKeys;
    await sealFile(file, output, {
      dataKeys,
      keyId,
      encryptionContext: context,
      force,
      signal,
      onProgress: progress.show,
    });
    progress.end();
  }, 'GenerateDataKey');
}

async function open(file: string, { outputFile, force }: Options): Promise<void> {
  const output = outputFile ?? defaultOutput(file);
  await withClient(async (client, signal) => {
    const progress = startProgress('opening', 'bytes');
    await openFile(file, output, { dataKeys: client.dataKeys, force, signal, onProgress: progress.show });
    progress.end();
  }, 'Decrypt');
}

function defaultOutput(file: string): string {
  if (file === '-') return '-';
  if (file.endsWith(suffix) && file.length > suffix.length) return file.slice(0, -suffix.length);
  throw new UsageError(`${file} does not end in ${suffix}; name the output with --output-file.`);
}
