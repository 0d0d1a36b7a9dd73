// keyhold doctor: reports which key specs and algorithms a token supports, and what keeps Keyhold from using it.
import { Command, Option } from 'commander';
import { loadProfile } from '../../config/load.js';
import { HsmError } from '../../hsm/key-store.js';
import { openToken } from '../../app/opening/open-key-store.js';
import { capabilitiesOf, examine, type Examined } from '../../keys/index.js';
import { assess, objections } from '../../hsm/link/index.js';
import { createLog } from '../../observability/log.js';
import { addHomeOption, exitCodes, homeOf, runProgram, wholeNumber } from '../program.js';
import { addOfficerPinOption, officerPin } from '../region/officer-pin.js';
import { type OpenToken, withToken } from '../region/token-work.js';
import {
  type Check,
  checkMultiRegion,
  checksBefore,
  checksOf,
  checkTriedMultiRegion,
} from './doctor-checks.js';
import { forms } from './doctor-report.js';
import { checkSinks } from './doctor-sinks.js';
import { ProbeJournal } from './probe-journal.js';
import { type Target, type TargetOptions, targetOf } from './target.js';

interface Options extends TargetOptions {
  readonly trial: boolean;
  readonly tokenObjects?: boolean;
  readonly json?: boolean;
  readonly lacks?: boolean;
  readonly tryLink?: boolean;
  readonly officerPinCommand?: readonly string[];
}

// It loads the module and logs in, in a separate process, generates and destroys a session key for each key spec, and
// reports for each algorithm whether the token supports it. A PIN that the token refused before is not tried again. No
// object is left.
const program = addHomeOption(new Command('keyhold doctor'))
  .description('Reports which key specs and algorithms an HSM supports.')
  .option(
    '--profile <name>',
    'the token that keyhold.yaml has for this profile; default: the default key store',
  )
  .option('--token-label <label>', 'with --profile: a token that keyhold.yaml does not name')
  .option('--token-serial <number>', 'the same, by its serial number')
  .addOption(new Option('--token-slot <id>', 'the same, by its slot ID').argParser(wholeNumber))
  .option('--user <name>', 'the user who logs in, for modules whose PINs name a user')
  .option('--pin-file <file>', 'the PIN of such a token: a file, relative to the home')
  .option('--pin-env <name>', 'the same: an environment variable')
  .option('--no-trial', 'report only what the module claims, without generating keys')
  .option('--token-objects', 'generate token objects, for modules without session keys')
  .option('--json', 'print one JSON object per line')
  .option(
    '--try-link',
    'try whether the token can be linked to that of another Region, with the PIN of its security officer',
  )
  .option('--lacks', "print the 'lacks' section for a profile, ignoring the present one");

addOfficerPinOption(program, 'with --try-link: what prints that PIN; default: asked for at the terminal');

/** @returns 0; 1 if the token cannot be reached or a check failed */
async function doctor(): Promise<number> {
  const options = program.opts<Options>();
  const home = homeOf(program);
  const form = forms[options.lacks ? 'lacks' : options.json ? 'json' : 'table'];
  const { name, token } = targetOf(home, options);
  const profile = loadProfile(token.profile, home);
  const checks: Check[] = checksBefore(home, token.profile, token.pin);
  if (options.profile === undefined) checks.push(...(await checkSinks(home)));
  let rows: Examined[] = [];
  try {
    rows = await look(home, { name, token }, options, checks);
    checks.push(options.tryLink ? await tryLink(home, { name, token }, options) : checkMultiRegion(profile));
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    if (!options.lacks) process.stdout.write(form({ checks, rows, advice: [] }));
    console.error(`keyhold doctor: ${error.message}`);
    return exitCodes.failed;
  }
  process.stdout.write(form({ checks, rows, advice: profile.advice }));
  return checks.every(({ ok }) => ok) ? exitCodes.done : exitCodes.failed;
}

async function look(
  home: string,
  { name, token }: Target,
  { trial, tokenObjects, lacks }: Options,
  checks: Check[],
): Promise<Examined[]> {
  const careful = { sparesTries: true, ...(lacks && { lacks: [] }) };
  const open = () => openToken(home, name, { ...token, workers: 1 }, createLog('silent'), careful);
  const journal = new ProbeJournal(home, name);
  const store = await open();
  try {
    checks.push(...(await checksOf(store, loadProfile(token.profile, home))));
    if (tokenObjects) await journal.clean(store);
    if (!trial) return capabilitiesOf(store);
    if (!tokenObjects) return await examine(store, { ofSession: true });
    return await examine(store, {
      ofSession: false,
      before: (id) => journal.add(id),
      after: (id) => journal.remove(id),
    });
  } finally {
    await store.close();
    if (!journal.isEmpty) {
      const again = await open();
      await journal.clean(again).finally(() => again.close());
    }
  }
}

/** Tries all attacks on a link, with session objects. The worker's session has ended: two logins of this process do not mix. */
async function tryLink(home: string, target: Target, { officerPinCommand }: Options): Promise<Check> {
  const attempt = async (token: OpenToken) => {
    const officer = officerPin(officerPinCommand, token);
    const tried = await assess(token.settings, { officer, user: token.user });
    return checkTriedMultiRegion(tried.length, objections(tried));
  };
  try {
    return await withToken(home, attempt, target);
  } catch (error) {
    if (!(error instanceof HsmError) || error.code !== 'unsupported') throw error;
    return checkTriedMultiRegion(0, [error.message]);
  }
}

await runProgram(program, doctor, exitCodes.usage);
