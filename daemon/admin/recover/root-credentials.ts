// keyhold recover root-credentials: creates an access key for the account root whose credentials are lost. This requires
// access to the daemon's machine, a stopped daemon, and the HSM with its PIN.
import { Secrets } from '../../hsm/secrets.js';
import { lstatSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { whileWaiting } from '../../../proto/progress.js';
import { Command, Option } from 'commander';
import { ConfigError } from '../../config/load.js';
import { replaceFileSync } from '../../files/replace-file.js';
import { AccessKeys } from '../../identity/access-keys.js';
import { Identities } from '../../identity/identities.js';
import { secretsKey } from '../../app/opening/instance.js';
import { checkAudit, loadRecords } from '../../app/opening/open-home.js';
import { makeServiceEvent } from '../../audit/event.js';
import type { RecordChange } from '../../store/records/records.js';
import { addHomeOption, homeOf, runProgram } from '../program.js';
import { addYesOption, confirm } from './confirmation.js';
import { commitAudited, type StoppedHome, withStoppedHome } from './stopped-home.js';
import { homePaths } from '../../files/home.js';

interface Options {
  readonly credentialsFile?: string;
  readonly profile: string;
  readonly others: 'keep' | 'deactivate' | 'delete';
  readonly yes?: boolean;
}

/** The result. */
interface Recovered {
  readonly accessKeyId: string;
  readonly others: readonly string[];
  readonly path: string;
}

async function recover(stopped: StoppedHome, options: Options): Promise<Recovered> {
  const { home, store, instance, keyStore } = stopped;
  const path = resolve(options.credentialsFile ?? homePaths(home).credentials);
  const before = readExisting(path);
  const opened = await whileWaiting('reading the records', loadRecords(store, instance, keyStore));
  checkAudit(home, opened);
  const { records } = opened;
  const rootId = instance.account;
  if (new Identities(records, instance.account).principal(rootId)?.record.type !== 'Root')
    throw new ConfigError('The metadata store has no account root, so keyhold init did not create it.');
  const accessKeys = new AccessKeys(records, keyStore, new Secrets(keyStore, secretsKey(instance)));
  const others = options.others === 'keep' ? [] : accessKeys.of(rootId).map(({ accessKeyId }) => accessKeyId);
  const withdrawal =
    others.length === 0 ? '' : ` Its other access keys are ${withdrawn(options)}: ${others.join(', ')}.`;
  const consequence = `The account root gets another access key, whose secret is written to profile '${options.profile}' of ${path}.`;
  await confirm(home, opened, consequence + withdrawal, options.yes);
  const changes: RecordChange[] = others.map((accessKeyId) =>
    options.others === 'delete' ? accessKeys.remove(accessKeyId) : accessKeys.setActive(accessKeyId, false),
  );
  const { accessKeyId, secretAccessKey, change } = await accessKeys.create(rootId);
  const details = { accessKeyId, otherAccessKeys: options.others, accessKeyIds: others };
  const event = makeServiceEvent('RecoverRootCredentials', instance.account, instance.region, details);
  await commitAudited(stopped, opened, { changes: () => [change, ...changes] }, event, true);
  try {
    replaceFileSync(path, withProfile(before, options.profile, accessKeyId, secretAccessKey));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(
      `The access key ${accessKeyId} was created, but its secret could not be written: ${reason}. Correct that, run this again, and delete that access key.`,
    );
  }
  return { accessKeyId, others, path };
}

const withdrawn = ({ others }: Options) => (others === 'delete' ? 'deleted' : 'deactivated');

/** Reads the credentials file; '' if there is none. @throws ConfigError if the path is not a file */
function readExisting(path: string): string {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return '';
  if (!found.isFile())
    throw new ConfigError(`${path} is not a file: remove it, or name another path by --credentials-file.`);
  return readFileSync(path, 'utf8');
}

/** The text of a credentials file with one profile replaced; the others stay as they are. */
function withProfile(text: string, profile: string, accessKeyId: string, secretAccessKey: string): string {
  const sections = text.split(/^(?=[ \t]*\[)/m);
  const isNamed = (section: string) => /^[ \t]*\[\s*(.*?)\s*\]/.exec(section)?.[1] === profile;
  const kept = sections.filter((section) => section !== '' && !isNamed(section)).join('');
  const end = kept === '' || kept.endsWith('\n') ? '' : '\n';
  return `${kept}${end}[${profile}]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
}

const program = addYesOption(addHomeOption(new Command('keyhold recover root-credentials')))
  .description(
    "Creates an access key for the account root and writes it to the credentials file of the home. Stop the daemon first; the HSM must be available. The root's other access keys are kept unless --others says otherwise.",
  )
  .option('--credentials-file <path>', 'file to write; default: `credentials` in the home')
  .option('--profile <name>', 'profile in that file', 'default')
  .addOption(
    new Option('--others <what>', "what to do with the root's other access keys")
      .choices(['keep', 'deactivate', 'delete'])
      .default('keep'),
  );

await runProgram(program, async () => {
  const options = program.opts<Options>();
  if (!/^[A-Za-z0-9_./:@+-]+$/.test(options.profile))
    throw new ConfigError('--profile takes letters, digits and _./:@+- only.');
  const { accessKeyId, others, path } = await withStoppedHome(homeOf(program), (stopped) =>
    recover(stopped, options),
  );
  console.log(`The account root has the new access key ${accessKeyId}; its secret is in ${path}.`);
  if (others.length > 0)
    console.log(`Its other access keys were ${withdrawn(options)}: ${others.join(', ')}.`);
  return 0;
});
