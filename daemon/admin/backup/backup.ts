// `keyhold backup` where the daemon is stopped.
import { whileWaiting } from '../../../proto/progress.js';
import { Command } from 'commander';
import { lastRecord } from '../../audit/expected-head.js';
import { integrityError } from '../../store/records/integrity-failures.js';
import { backupContent, backupSigner } from '../../app/backup-content.js';
import { readRecords } from '../../app/opening/open-home.js';
import { writeBackup } from '../../backup/write.js';
import { homePaths } from '../../files/home.js';
import { addHomeOption, exitCodes, homeOf, runProgram } from '../program.js';
import { withStoppedHome } from '../recover/stopped-home.js';

const program = addHomeOption(new Command('keyhold backup'))
  .description('Makes a backup of a home whose daemon is stopped; the HSM must be there.')
  .argument('<file>', 'the backup; nothing may be there')
  .option('--with-token', "take the files of SoftHSM2's token, too");

async function backup(): Promise<number> {
  const home = homeOf(program);
  const [file = ''] = program.args;
  const { withToken = false } = program.opts<{ withToken?: boolean }>();
  await withStoppedHome(home, async ({ store, instance, keyStore }) => {
    const { records, broken } = await whileWaiting(
      'reading the records',
      readRecords(store, instance, keyStore),
    );
    // A store that no start accepts is no backup.
    if (broken) throw integrityError(broken);
    const auditHead = () => lastRecord(homePaths(home).audit);
    const content = await backupContent({ home, store, instance, records, auditHead }, withToken);
    await whileWaiting('writing', writeBackup(file, content, backupSigner(keyStore, instance)));
  });
  console.error(`The backup is ${file}. Check it with 'keyhold restore ${file} --check'.`);
  return exitCodes.done;
}

await runProgram(program, backup);
