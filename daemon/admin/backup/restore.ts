// `keyhold restore`: verifies a backup, and restores it into a home that has no metadata store.
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import { startProgress, whileWaiting } from '../../../proto/progress.js';
import { hasStore } from '../../app/opening/open-store.js';
import { OpenedBackup } from '../../backup/read.js';
import { homePaths } from '../../files/home.js';
import { addHomeOption, exitCodes, homeOf, runProgram, UsageError } from '../program.js';
import { checkContent, restoreInto } from './extraction.js';
import { nextSteps, summaryOf } from './report.js';

interface Options {
  check?: boolean;
  publicKey?: string;
  acceptIncludedKey?: boolean;
}

const program = addHomeOption(new Command('keyhold restore'))
  .description('Verifies a backup, and restores it into a home that has no metadata store.')
  .argument('<file>', 'a backup that keyhold backup wrote')
  .option('--check', 'verify it, and say what it holds; nothing is written')
  .option('--public-key <file>', "the audit log's key, PEM (default: audit-public-key.pem in the home)")
  .option('--accept-included-key', 'restore what only the key inside the backup vouches for');

async function restore(): Promise<number> {
  const options = program.opts<Options>();
  const [file = ''] = program.args;
  const key = knownKey(options);
  if (!options.check) {
    if (!key && !options.acceptIncludedKey)
      throw new UsageError(
        'There is no public key to verify the backup with. Name your copy of audit-public-key.pem with --public-key FILE. ' +
          "Where there is none, look at the key's fingerprint with --check, and restore with --accept-included-key: whoever made " +
          'the file chose its configuration, which names the library that the daemon loads.',
      );
    const home = homeOf(program);
    if (hasStore(home))
      throw new UsageError(
        `${home} has a metadata store. Stop its daemon and move ${homePaths(home).metadata} away, or restore into another home.`,
      );
  }
  const progress = startProgress('verifying', 'bytes');
  const backup = await OpenedBackup.open(file, key, progress.show);
  try {
    progress.end();
    await whileWaiting('checking the records', checkContent(backup));
    const fingerprint = createHash('sha256')
      .update(backup.publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex');
    console.log(summaryOf(file, backup.manifest, { fingerprint, isKnown: key !== undefined }));
    if (options.check) return exitCodes.done;
    const home = homeOf(program);
    await whileWaiting('restoring', restoreInto(home, backup));
    console.log(nextSteps(home, backup.manifest));
    return exitCodes.done;
  } finally {
    await backup.close();
  }
}

/** The key that is not from the backup. @throws UsageError where the named file is none */
function knownKey({ publicKey }: Options): KeyObject | undefined {
  const home = program.opts<{ home?: string }>().home ?? process.env.KEYHOLD_HOME;
  const own = home && homePaths(home).auditPublicKey;
  const path = publicKey ?? (own && existsSync(own) ? own : undefined);
  if (path === undefined) return undefined;
  try {
    return createPublicKey(readFileSync(path));
  } catch (error) {
    throw new UsageError(`${path} cannot be read as a public key in PEM: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

await runProgram(program, restore);
