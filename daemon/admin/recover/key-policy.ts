// keyhold recover key-policy KEY: gives a key the default policy, which allows the account root everything. For keys whose
// policy lets nobody manage them any more.
import { whileWaiting } from '../../../proto/progress.js';
import { Command } from 'commander';
import { ConfigError } from '../../config/load.js';
import { Keyring, Namer, putKey } from '../../keys/index.js';
import { checkAudit, loadRecords } from '../../app/opening/open-home.js';
import { makeServiceEvent } from '../../audit/event.js';
import { defaultKeyPolicy } from '../../policy/engine/key-policies.js';
import { addHomeOption, homeOf, runProgram } from '../program.js';
import { addYesOption, confirm } from './confirmation.js';
import { commitAudited, type StoppedHome, withStoppedHome } from './stopped-home.js';

/** @returns the key's ARN */
async function recover(home: StoppedHome, identifier: string): Promise<string> {
  const { store, instance, keyStore } = home;
  const opened = await whileWaiting('reading the records', loadRecords(store, instance, keyStore));
  checkAudit(home.home, opened);
  const { account, region } = instance;
  const key = new Keyring(opened.records, new Namer(account, region)).find(identifier);
  const { record, arn } = key;
  if (record.keyManager === 'AWS')
    throw new ConfigError(`${arn} is an AWS managed key: its policy is fixed and locks nobody out.`);
  await confirm(
    home.home,
    opened,
    `The policy of ${arn} is replaced by the default one, which allows the account root everything. The audit log keeps the old one.`,
    program.opts<{ yes?: boolean }>().yes,
  );
  const policy = defaultKeyPolicy(account);
  const changes = () => [putKey({ ...record, policy, policyBindings: undefined })];
  const details = { keyId: record.keyId, replacedPolicy: record.policy };
  const event = makeServiceEvent('RecoverKeyPolicy', account, region, details, key.arn);
  await commitAudited(home, opened, { changes }, event, true);
  return arn;
}

const program = addYesOption(addHomeOption(new Command('keyhold recover key-policy')))
  .description(
    'Gives a key the default policy, which allows the account root everything. Stop the daemon first; the HSM must be available.',
  )
  .argument('<key>', 'key ID, key ARN, alias name or alias ARN');

await runProgram(program, async () => {
  const arn = await withStoppedHome(homeOf(program), (stopped) => recover(stopped, program.args[0]!));
  console.log(`${arn} has the default key policy again: the account root can manage it.`);
  return 0;
});
