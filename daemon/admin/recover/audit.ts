// keyhold recover audit: the way out where the audit log was cut, emptied, replaced or deleted, and cannot be put back.
// Without --accept-loss it explains what it finds, and changes nothing.
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { canBeContinued, describeHeadMismatch, lastRecord } from '../../audit/expected-head.js';
import { dropPositionsBeyond } from '../../audit/sinks/position.js';
import { auditMismatch, readRecords } from '../../app/opening/open-home.js';
import { makeServiceEvent } from '../../audit/event.js';
import { integrityError } from '../../store/records/integrity-failures.js';
import { syncFolderSync } from '../../files/replace-file.js';
import { addHomeOption, homeOf, runProgram } from '../program.js';
import { commitAudited, type StoppedHome, withStoppedHome } from './stopped-home.js';
import { homePaths } from '../../files/home.js';

const consequences = `What is missing cannot be made anew. Look first for copies: backups, syslog receivers, and files that logrotate made.
Accepting the loss means:
- The chain goes on behind the last record that is there; where none can be continued, what is there is set aside beside the
  log's folder, and a new chain begins with record 1.
- Its next record is RecoverAudit, with what was expected and what was found.
- Receivers of syslog get numbers again that they have seen.
Nothing was changed. 'keyhold recover audit --accept-loss' accepts it.`;

async function recover(stopped: StoppedHome, isAccepted: boolean): Promise<number> {
  const { home, store, instance, keyStore } = stopped;
  const opened = await readRecords(store, instance, keyStore);
  // Its next root would accept the store, too.
  if (opened.broken) throw integrityError(opened.broken);
  const directory = homePaths(home).audit;
  const broken = auditMismatch(home, opened);
  const isUsable = canBeContinued(directory);
  if (!broken && isUsable) {
    console.log(
      'The audit log holds all that the metadata store and the HSM know of: there is nothing to recover.',
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
  const where = setAside === undefined ? '' : ` What was there is in ${setAside}.`;
  console.log(`It is on record, and the daemon starts with the log as it is now.${where}`);
  return 0;
}

/** @returns the folder, in the home, that the files are in now */
function setLogAside(home: string): string {
  const folder = `audit-set-aside-${new Date().toISOString().replace(/[:.]/g, '')}`;
  mkdirSync(join(home, folder), { mode: 0o700 });
  const directory = homePaths(home).audit;
  for (const name of readdirSync(directory)) renameSync(join(directory, name), join(home, folder, name));
  for (const path of [join(home, folder), directory, home]) syncFolderSync(path);
  return folder;
}

const program = addHomeOption(new Command('keyhold recover audit'))
  .description(
    'Explains what is missing of the audit log, and puts the loss on record. Stop the daemon first; the HSM must be there.',
  )
  .option('--accept-loss', 'go on with the log as it is, though records are missing');

await runProgram(program, () => {
  const { acceptLoss = false } = program.opts<{ acceptLoss?: boolean }>();
  return withStoppedHome(homeOf(program), (stopped) => recover(stopped, acceptLoss));
});
