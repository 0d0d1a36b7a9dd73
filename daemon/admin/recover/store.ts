// keyhold recover store: the way out for who restored a backup of the metadata store on purpose, or lost a part of it.
// Without --accept-older-store it explains what it finds, and changes nothing.
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
import { commitAudited, type StoppedHome, withStoppedHome } from './stopped-home.js';

const consequences = `Each record that is there was written by this Keyhold; what came after them is lost. Accepting the store means:
- Policies, grants, identities and access keys count again as they stand in it, also those that were changed or revoked
  since. Look them over, and deactivate what must not be let in, before clients are.
- Keys made since have no records: their objects stay in the HSM, are counted as foreign, and are never touched. Material
  that was in the making when the copy was made stays there too.
- Material that rotations made since has no record: health names it, and 'keyhold recover materials KEY' takes it up.
- Keys deleted since have no material: they are Unavailable.
- Messages encrypted since are not counted: rotate keys that encrypt a lot ('keyhold rotate-key-on-demand').
Nothing was changed. 'keyhold recover store --accept-older-store' accepts it, and puts that on record in the audit log.`;

async function recover(home: StoppedHome, isAccepted: boolean): Promise<number> {
  const { store, instance, keyStore } = home;
  const opened = await readRecords(store, instance, keyStore);
  const { records, anchor, broken } = opened;
  if (!broken) {
    console.log(
      'The metadata store is whole, and none older than the HSM knows: there is nothing to recover.',
    );
    return 0;
  }
  console.log(describeIntegrityFailure(broken));
  if (!isAccepted) {
    console.log(consequences);
    return 1;
  }
  const newest = Math.max(records.root?.epoch ?? 0, anchor?.epoch ?? 0);
  records.skipEpochs(newest + skippedEpochs);
  // An object that was in the making then may be a key's by now: no start may take it for nobody's.
  const intents = [...records.keys('intent/')];
  const changes = () => [rootedInstance(instance), ...intents.map((key) => ({ key, value: undefined }))];
  const { account, region } = instance;
  const event = makeServiceEvent('RecoverStore', account, region, details(broken, intents.length));
  // A log that was cut too stays refused, until `keyhold recover audit` says what is missing of it.
  await commitAudited(home, opened, { changes }, event, false);
  await storeInstance(store, instance);
  console.log(`It is accepted as it is, with ${broken.found} records; the daemon starts with it.`);
  return 0;
}

/** For the audit event. */
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

const program = addHomeOption(new Command('keyhold recover store'))
  .description(
    'Explains why the daemon refuses its metadata store, and accepts it. Stop the daemon first; the HSM must be there.',
  )
  .option('--accept-older-store', 'accept the records as they are, though newer ones were there');

await runProgram(program, () => {
  const { acceptOlderStore = false } = program.opts<{ acceptOlderStore?: boolean }>();
  return withStoppedHome(homeOf(program), (stopped) => recover(stopped, acceptOlderStore));
});
