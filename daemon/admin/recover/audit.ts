// keyhold recover audit: disaster recovery for an audit log that was truncated, replaced or deleted and cannot be restored.
// Without --accept-loss it explains what it finds, and changes nothing.
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { whileWaiting } from '../../../proto/progress.js';
import { Command } from 'commander';
import { canBeContinued, describeHeadMismatch, lastRecord } from '../../audit/expected-head.js';
import { dropPositionsBeyond } from '../../audit/sinks/position.js';
import { auditMismatch, readRecords } from '../../app/opening/open-home.js';
import { makeServiceEvent } from '../../audit/event.js';
import { integrityError } from '../../store/records/integrity-failures.js';
import { syncFolderSync } from '../../files/replace-file.js';
import { addHomeOption, homeOf, runProgram } from '../program.js';
import { addYesOption, confirm } from './confirmation.js';
import { commitAudited, type StoppedHome, withStoppedHome } from './stopped-home.js';
import { homePaths } from '../../files/home.js';

const consequences = `The missing records cannot be recreated. First look for copies: backups, syslog receivers, and files that logrotate made.
Accepting the loss means:
- The chain continues after the last record of the log. If it cannot be continued, its files are moved to a folder beside the
  log's folder, and a new chain begins with record 1.
- The next record is RecoverAudit, with what was expected and what was found.
- Syslog receivers get sequence numbers again that they have already seen.
Nothing was changed. 'keyhold recover audit --accept-loss' accepts the loss.`;

interface Options {
  readonly acceptLoss?: boolean;
  readonly yes?: boolean;
}

async function recover(stopped: StoppedHome, { acceptLoss: isAccepted, yes }: Options): Promise<number> {
  const { home, store, instance, keyStore } = stopped;
  const opened = await whileWaiting('reading the records', readRecords(store, instance, keyStore));
  // Otherwise the next root would also accept the store.
  if (opened.broken) throw integrityError(opened.broken);
  const directory = homePaths(home).audit;
  const broken = auditMismatch(home, opened);
  const isUsable = canBeContinued(directory);
  if (!broken && isUsable) {
    console.log(
      'The audit log has every record that the metadata store and the HSM know of: there is nothing to recover.',
    );
    return 0;
  }
  if (broken) console.log(describeHeadMismatch(broken));
  if (!isUsable)
    console.log('Its last line is not a record, or a file does not end in one, so it cannot be continued.');
  if (!isAccepted) {
    console.log(consequences);
    return 1;
  }
  const consequence = isUsable
    ? 'The log goes on after its last record, and the next one says that the records between are lost.'
    : 'The files of the log are moved to a folder beside it, and a new chain begins with record 1.';
  await confirm(home, opened, consequence, yes);
  const last = lastRecord(directory);
  const setAside = isUsable ? undefined : setLogAside(home);
  await dropPositionsBeyond(homePaths(home).auditSinks, setAside === undefined ? last.sequence : 0);
  const event = makeServiceEvent('RecoverAudit', instance.account, instance.region, {
    found: broken?.kind ?? 'unreadable',
    expected: broken?.expected,
    lastRecord: last.sequence === 0 ? undefined : last,
    setAside,
  });
  await commitAudited(stopped, opened, { changes: () => [] }, event, true);
  const where = setAside === undefined ? '' : ` The old files are in ${setAside}.`;
  console.log(`The loss is recorded, and the daemon can start with the present log.${where}`);
  return 0;
}

/** Moves the files of the log. @returns their new folder, relative to the home */
function setLogAside(home: string): string {
  const folder = `audit-set-aside-${new Date().toISOString().replace(/[:.]/g, '')}`;
  mkdirSync(join(home, folder), { mode: 0o700 });
  const directory = homePaths(home).audit;
  for (const name of readdirSync(directory)) renameSync(join(directory, name), join(home, folder, name));
  for (const path of [join(home, folder), directory, home]) syncFolderSync(path);
  return folder;
}

const program = addYesOption(addHomeOption(new Command('keyhold recover audit')))
  .description(
    'Explains which records of the audit log are missing, and records the loss. Stop the daemon first; the HSM must be available.',
  )
  .option('--accept-loss', 'continue the log as it is, although records are missing');

await runProgram(program, () =>
  withStoppedHome(homeOf(program), (stopped) => recover(stopped, program.opts<Options>())),
);
