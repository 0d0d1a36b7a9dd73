// keyhold doctor: what a token can do, by the table of key specs, and what keeps Keyhold from using it.
import { Command, Option } from 'commander';
import { ConfigError, loadConfig, loadProfile } from '../config/load.js';
import type { PinSource, TokenConfig } from '../config/schema.js';
import { HsmError } from '../hsm/key-store.js';
import { defaultStore, openToken } from '../hsm-connection.js';
import { type Examined, examine } from '../keys/examination.js';
import { capabilitiesOf } from '../keys/mechanisms.js';
import { createLog } from '../observability/log.js';
import { homeOf, isProgram, runCommand, wholeNumber } from './audit-program.js';
import { type Check, checksBefore, checksOf } from './doctor-checks.js';
import { forms } from './doctor-report.js';
import { TrialJournal } from './doctor-trials.js';

interface Options {
  readonly home?: string;
  readonly profile?: string;
  readonly tokenLabel?: string;
  readonly tokenSerial?: string;
  readonly tokenSlot?: number;
  readonly user?: string;
  readonly pinFile?: string;
  readonly pinEnv?: string;
  readonly trial: boolean;
  readonly tokenObjects?: boolean;
  readonly json?: boolean;
  readonly lacks?: boolean;
}

interface Target {
  /** By which the latch of refused logins goes. */
  readonly name: string;
  readonly token: TokenConfig & { readonly pin?: PinSource | undefined };
}

/**
 * Runs `keyhold doctor`: loads the module and logs in, in a process of its own, makes and destroys a session key for each
 * key spec, and says for each algorithm whether the token can have such keys. A PIN that the token refused before is not
 * tried again. Leaves no object behind.
 * @param argv arguments without the program's name
 * @returns 0; 1: there is no way to the token, or something is wrong; 2: wrong usage
 */
export async function doctor(argv: readonly string[]): Promise<number> {
  const command = new Command('keyhold doctor')
    .description('Says what an HSM can do: key specs and algorithms, and what its module lacks.')
    .option('--home <dir>', 'the home; KEYHOLD_HOME if not given')
    .option(
      '--profile <name>',
      'the token that keyhold.yaml has for this profile; the default one if not given',
    )
    .option('--token-label <label>', 'with --profile: a token that keyhold.yaml does not name')
    .option('--token-serial <number>', 'the same, by its serial number')
    .addOption(new Option('--token-slot <id>', 'the same, by its slot id').argParser(wholeNumber))
    .option('--user <name>', 'who logs in, with modules whose PINs name a user')
    .option('--pin-file <file>', 'the PIN of such a token: a file, relative to the home')
    .option('--pin-env <name>', 'the same: an environment variable')
    .option('--no-trial', 'only what the module says of itself: no key is made')
    .option('--token-objects', 'try with token objects, for modules that make no session keys')
    .option('--json', 'one JSON object a line')
    .option('--lacks', "the 'lacks' of a profile, found as if it had none");
  return runCommand(command, argv, async () => {
    const options = command.opts<Options>();
    const home = homeOf(options.home);
    const form = forms[options.lacks ? 'lacks' : options.json ? 'json' : 'table'];
    const { name, token } = targetOf(home, options);
    const profile = loadProfile(token.profile, home);
    const checks: Check[] = checksBefore(home, token.profile, token.pin);
    let rows: Examined[] = [];
    try {
      rows = await look(home, { name, token }, options, checks);
    } catch (error) {
      if (!(error instanceof HsmError)) throw error;
      if (!options.lacks) process.stdout.write(form({ checks, rows, advice: [] }));
      console.error(`keyhold doctor: ${error.message}`);
      return 1;
    }
    process.stdout.write(form({ checks, rows, advice: profile.advice }));
    return checks.every(({ ok }) => ok) ? 0 : 1;
  });
}

async function look(
  home: string,
  { name, token }: Target,
  { trial, tokenObjects, lacks }: Options,
  checks: Check[],
): Promise<Examined[]> {
  const careful = { sparesTries: true, ...(lacks && { lacks: [] }) };
  const open = () => openToken(home, name, { ...token, workers: 1 }, createLog('silent'), careful);
  const journal = new TrialJournal(home, name);
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

/** @throws ConfigError */
function targetOf(home: string, options: Options): Target {
  const { profile, tokenLabel, tokenSerial, tokenSlot, user, pinFile, pinEnv } = options;
  if (tokenLabel !== undefined || tokenSerial !== undefined || tokenSlot !== undefined) {
    if (profile === undefined)
      throw new ConfigError('--token-… names a token of a --profile: give that too.');
    const pin =
      pinFile !== undefined ? { file: pinFile } : pinEnv !== undefined ? { env: pinEnv } : undefined;
    const name = `doctor-${profile}-${tokenLabel ?? tokenSerial ?? tokenSlot}`.replace(/[^A-Za-z0-9-]/g, '_');
    return { name, token: { profile, tokenLabel, tokenSerial, tokenSlot, user, pin } };
  }
  const { hsm, clusters } = loadConfig(home);
  if (profile === undefined || profile === hsm.profile) return { name: defaultStore, token: hsm };
  const found = Object.entries(clusters).find(([, cluster]) => cluster.profile === profile);
  if (found) return { name: found[0], token: found[1] };
  throw new ConfigError(`keyhold.yaml has no token of profile '${profile}': name one with --token-label.`);
}

if (isProgram(import.meta.url)) process.exitCode = await doctor(process.argv.slice(2));
