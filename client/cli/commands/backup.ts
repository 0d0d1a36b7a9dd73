// keyhold backup: fetches a backup from the running daemon. If none runs, the admin program reads the home itself.
import { createHash, randomBytes } from 'node:crypto';
import { link, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { startProgress, whileWaiting } from '../../../proto/progress.js';
import type { Client } from '../../client.js';
import { ConnectionError } from '../../errors.js';
import { runAdminProgram, stoppedBackup } from '../programs.js';
import { withClient } from '../session.js';

interface Options {
  readonly withToken?: boolean;
}

/** Time-out in milliseconds for the daemon to make a backup. */
const patience = 60 * 60_000;
/** Bytes of a part, for progress. */
const partSize = 1024 * 1024;

/** Adds `keyhold backup`. */
export function addBackupCommand(program: Command): void {
  program
    .command('backup')
    .helpGroup('Backup:')
    .description(
      'Writes a backup: metadata store, configuration, certificates, public keys and the head of the audit log.',
    )
    .argument('<file>', 'the backup; nothing may be there')
    .option(
      '--with-token',
      "take the files of SoftHSM2's token, too; who has them can try PINs without being stopped",
    )
    .action((file: string, options: Options) => backup(file, options));
}

async function backup(file: string, { withToken = false }: Options): Promise<void> {
  try {
    await withClient((client, signal) => fetchBackup(client, file, withToken, signal), 'CreateBackup');
  } catch (error) {
    if (!(error instanceof ConnectionError) || !process.env.KEYHOLD_HOME) throw error;
    console.error('keyhold: no daemon answers, so its home is read instead');
    await runAdminProgram(stoppedBackup, [...(withToken ? ['--with-token'] : []), file]);
  }
}

async function fetchBackup(
  client: Client,
  file: string,
  withToken: boolean,
  signal: AbortSignal,
): Promise<void> {
  // Opened first, so that an unusable path fails before the daemon does the work.
  const temporary = join(dirname(file), `.keyhold-${randomBytes(8).toString('hex')}.partial`);
  const output = await open(temporary, 'wx', 0o600).catch((error: unknown) => {
    throw notWritten(file, error);
  });
  try {
    const made = await whileWaiting(
      'making the backup',
      client.createBackup({ includeToken: withToken }, { signal, timeout: patience }),
    );
    const progress = startProgress('fetching', 'bytes');
    const hash = createHash('sha256');
    for (let part = 0; part < made.parts; part++) {
      progress.show(part * partSize, made.parts * partSize);
      const { data } = await client.readBackup({ backupId: made.backupId, part }, { signal });
      hash.update(data);
      await output.writeFile(data);
    }
    progress.end();
    if (hash.digest('hex') !== made.sha256)
      throw new Error('The backup that arrived is not the one that the daemon made: try again.');
    await output.sync();
    // Unlike a rename, a link fails if the name exists.
    await link(temporary, file);
    await syncFolder(dirname(file));
  } catch (error) {
    throw notWritten(file, error);
  } finally {
    await output.close();
    await rm(temporary, { force: true });
  }
  console.error(`The backup is ${file}. Check it with 'keyhold restore ${file} --check'.`);
}

/** Makes the file's name survive a power cut. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  await folder.sync().finally(() => folder.close());
}

const reasons: Readonly<Record<string, string>> = {
  EEXIST: 'something is there already: name another file',
  ENOENT: 'its folder does not exist',
  EACCES: 'this user may not write there',
  ENOSPC: 'its file system is full: make room, or name another file',
  EDQUOT: 'the quota is used up: make room, or name another file',
  EROFS: 'its file system is read-only',
};

/** Turns an error of the file system into a sentence; other errors are returned unchanged. */
function notWritten(file: string, error: unknown): unknown {
  const { code = '' } = error as NodeJS.ErrnoException;
  const reason = reasons[code];
  if (reason === undefined || !(error instanceof Error) || !('syscall' in error)) return error;
  return new Error(`The backup ${file} was not written, and nothing of it is left: ${reason}.`, {
    cause: error,
  });
}
