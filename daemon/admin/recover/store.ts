// keyhold recover store: disaster recovery for a metadata store that was restored from a backup on purpose or is incomplete.
// Without --accept-older-store it explains what it finds, and changes nothing.
import { whileWaiting } from '../../../proto/progress.js';
import { Command } from 'commander';
import { readRecords, rootedInstance, storeInstance } from '../../app/opening/open-home.js';
import { makeServiceEvent } from '../../audit/event.js';
import {
  type IntegrityFailure,
  describeIntegrityFailure,
  skippedEpochs,
} from '../../store/records/integrity-failures.js';
import type { Root } from '../../store/records/root.js';
import { addHomeOption, homeOf, runProgram } from '../program.js';
import { addYesOption, confirm } from './confirmation.js';
import { commitAudited, type StoppedHome, withStoppedHome } from './stopped-home.js';

const consequences = `Each record in the store was written by this Keyhold; later changes are lost. Accepting the store means:
- Its policies, grants, identities and access keys take effect again, including those that were changed or revoked later.
  Review them, and deactivate what must not be used, before clients can connect.
- Keys created later have no records: their objects stay in the HSM, count as foreign, and are never touched. So does
  material that was being created when the copy was made.
- Material of later rotations has no record: the health report names it, and 'keyhold recover materials KEY' restores it.
- Keys deleted later have no material: they are Unavailable.
- Messages encrypted later are not counted: rotate keys that encrypt many messages ('keyhold rotate-key-on-demand').
Nothing was changed. 'keyhold recover store --accept-older-store' accepts the store, and records that in the audit log.`;

interface Options {
  readonly acceptOlderStore?: boolean;
  readonly yes?: boolean;
}

async function recover(home: StoppedHome, { acceptOlderStore: isAccepted, yes }: Options): Promise<number> {
  const { store, instance, keyStore } = home;
  const opened = await whileWaiting('reading the records', readRecords(store, instance, keyStore));
  const { records, anchor, broken } = opened;
  if (!broken) {
    console.log(
      'The metadata store is intact and not older than the anchor in the HSM: there is nothing to recover.',
    );
    return 0;
  }
  console.log(describeIntegrityFailure(broken));
  if (!isAccepted) {
    console.log(consequences);
    return 1;
  }
  const consequence =
    'The present records count from now on, policies and access keys that were changed or revoked later among them. ' +
    "'keyhold recover store' without options says all that this means.";
  await confirm(home.home, opened, consequence, yes);
  const newest = Math.max(records.root?.epoch ?? 0, anchor?.epoch ?? 0);
  records.skipEpochs(newest + skippedEpochs);
  // An object with an intent may belong to a key by now, so no start may destroy it.
  const intents = [...records.keys('intent/')];
  const changes = () => [rootedInstance(instance), ...intents.map((key) => ({ key, value: undefined }))];
  const { account, region } = instance;
  const event = makeServiceEvent('RecoverStore', account, region, details(broken, intents.length));
  // A log that was truncated too is still refused, until `keyhold recover audit` accepts its loss.
  await commitAudited(home, opened, { changes }, event, false);
  await storeInstance(store, instance);
  console.log(`The store is accepted with ${broken.found} records; the daemon can start with it.`);
  return 0;
}

/** The details of the audit event. */
function details({ kind, root, anchor, found }: IntegrityFailure, droppedIntents: number) {
  const shown = (one: Root | undefined) =>
    one && { epoch: one.epoch, writtenAt: new Date(one.at * 1000).toISOString() };
  const recordsExpected = root?.count;
  return {
    found: kind,
    store: shown(root),
    anchor: shown(anchor),
    recordsFound: found,
    recordsExpected,
    droppedIntents,
  };
}

const program = addYesOption(addHomeOption(new Command('keyhold recover store')))
  .description(
    'Explains why the daemon refuses its metadata store, and accepts it. Stop the daemon first; the HSM must be available.',
  )
  .option('--accept-older-store', 'accept the present records, although newer ones existed');

await runProgram(program, () =>
  withStoppedHome(homeOf(program), (stopped) => recover(stopped, program.opts<Options>())),
);
