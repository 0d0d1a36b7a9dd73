// keyhold hsm list: lists the slots, tokens, mechanisms and objects of a PKCS#11 module, and the owners of the objects. It
// changes nothing, and works while a daemon is running.
import { Command, Option } from 'commander';
import { ConfigError, loadConfig, loadProfile } from '../../config/load.js';
import { loginPin, readPin } from '../../config/pin.js';
import { type Profile, profileSchema } from '../../config/profile.js';
import { turnOffCoreDumps } from '../../app/core-dumps.js';
import { HsmError } from '../../hsm/key-store.js';
import {
  assertUsable,
  findToken,
  type FoundToken,
  slotId,
  type TokenName,
} from '../../hsm/pkcs11/find-token.js';
import { SessionFlag } from '../../hsm/pkcs11/graphene.js';
import { closeModule, loadModule } from '../../hsm/pkcs11/module.js';
import { toHsmError } from '../../hsm/pkcs11/return-values.js';
import { fileLatch, isRefusal, refusalText } from '../../hsm/pool/latch.js';
import { TokenFiles } from '../../hsm/pkcs11/token-files.js';
import { defaultStore } from '../../app/opening/open-key-store.js';
import { writeModuleFiles } from '../../app/opening/module-files.js';
import {
  addHomeOption,
  endWithReader,
  exitCodes,
  homeOf,
  runProgram,
  UsageError,
  wholeNumber,
} from '../program.js';
import { describeModule, describeSlot, listMechanisms, listObjects } from './inventory.js';
import { type Listing, type OwnedObject, reports } from './list-report.js';
import { neededMechanisms } from './needed-mechanisms.js';
import { ownerByLabel, readOwners } from './owners.js';
import { latchName, pinOf, type Target, targetOf } from './target.js';

interface Options {
  readonly home?: string;
  readonly module?: string;
  readonly profile?: string;
  readonly token?: string;
  readonly slot?: number;
  readonly user?: string;
  readonly pinFile?: string;
  readonly pinEnv?: string;
  readonly login: boolean;
  readonly output: keyof typeof reports;
}

const program = addHomeOption(new Command('keyhold hsm list'))
  .description(
    "Lists slots, tokens, mechanisms and objects of the HSM, and the objects' owners. Default: the default key store of keyhold.yaml.",
  )
  .option('--profile <name>', 'the module of this profile, and the token that keyhold.yaml has for it')
  .option('--module <path>', 'a PKCS#11 module without a profile; needs no home')
  .option('--token <label>', 'the token whose mechanisms and objects are listed, by its label')
  .addOption(new Option('--slot <id>', 'the same, by its slot ID').argParser(wholeNumber))
  .option('--user <name>', 'the user who logs in, for modules whose PINs name a user')
  .option('--pin-file <file>', 'the PIN of a token that keyhold.yaml does not name: a file with mode 0600')
  .option('--pin-env <name>', 'the same: an environment variable')
  .option('--no-login', 'do not log in, and list no objects')
  .addOption(new Option('--output <format>', 'output format').choices(Object.keys(reports)).default('text'));

/** The module to list, and its token whose mechanisms and objects are listed. */
interface Subject extends Target {
  /** May be absent for a module without a profile. */
  readonly home?: string;
  readonly profile: Profile;
}

/** @throws ConfigError, UsageError */
function subjectOf(options: Options): Subject {
  const { module, token: tokenLabel, slot: tokenSlot, user, pinFile, pinEnv } = options;
  const named = { tokenLabel, tokenSlot, user, pinFile, pinEnv };
  if (module !== undefined) {
    if (options.profile !== undefined) throw new UsageError('give --module or --profile, not both');
    const home = options.home ?? process.env.KEYHOLD_HOME;
    const token = { profile: module, tokenLabel, tokenSlot, user, pin: pinOf(named) };
    const profile = profileSchema.parse({ name: module, library: module });
    return { name: latchName('module', named), token, profile, ...(home && { home }) };
  }
  const home = homeOf(program);
  const target =
    configuredTarget(home, options) ?? targetOf(home, { ...named, profile: profileOf(home, options) });
  return { ...target, home, profile: loadProfile(target.token.profile, home) };
}

function profileOf(home: string, { profile }: Options): string {
  return profile ?? loadConfig(home).hsm.profile;
}

/** Finds the token of keyhold.yaml that the options name. @returns undefined if they name another one */
function configuredTarget(
  home: string,
  { profile, token, slot, user, pinFile, pinEnv }: Options,
): Target | undefined {
  const { hsm, clusters } = loadConfig(home);
  const configured: Target[] = [
    { name: defaultStore, token: hsm },
    ...Object.entries(clusters).map(([name, cluster]) => ({ name, token: cluster })),
  ];
  const found = configured.find(
    (target) =>
      target.token.profile === (profile ?? hsm.profile) &&
      (token === undefined || target.token.tokenLabel === token) &&
      (slot === undefined || target.token.tokenSlot === slot),
  );
  const pin = pinOf({ pinFile, pinEnv });
  if (!found || (!pin && (user ?? found.token.user) === found.token.user)) return found;
  // The PIN of keyhold.yaml belongs to its user: it must not be tried for another one.
  const login = { user: user ?? found.token.user, pin };
  return { name: latchName(found.token.profile, found.token), token: { ...found.token, ...login } };
}

/** The listing, perhaps incomplete. */
interface Findings {
  readonly listing: Listing;
  /** Why the token or its objects cannot be listed. */
  readonly problem?: HsmError;
}

async function inspect(subject: Subject, isLoginWanted: boolean): Promise<Findings> {
  const { home, profile } = subject;
  if (home !== undefined) writeModuleFiles(home, profile);
  Object.assign(process.env, profile.environment);
  const module = loadModule(profile);
  try {
    const notes: string[] = [];
    const slots = [...module.getSlots(false)].map(describeSlot);
    let listing: Listing = { module: describeModule(module), slots, notes };
    try {
      const name = nameOf(subject, slots);
      if (!name) {
        notes.push(
          'Mechanisms and objects are listed for one token: choose it with --token LABEL or --slot ID.',
        );
        return { listing };
      }
      const found = findToken(module, name);
      const mechanisms = listMechanisms(found.slot);
      const { suite, lacks = [], multiRegion, quirks } = profile;
      const { encapsulates, oaepSha256 } = quirks;
      const oaepSha256InModule = oaepSha256 === 'module';
      const traits = { suite, lacks, multiRegion, encapsulates, oaepSha256InModule };
      const needed = neededMechanisms(mechanisms, profile.mechanisms.avoided, traits);
      listing = { ...listing, selectedSlot: slotId(found.slot), neededMechanisms: needed, mechanisms };
      if (isLoginWanted) listing = { ...listing, objects: await objectsOf(subject, found, name, notes) };
      else notes.push('Objects are not listed: that requires a login, which --no-login excludes.');
      return { listing };
    } catch (error) {
      return { listing, problem: toHsmError(error) };
    }
  } finally {
    closeModule(module);
  }
}

/** @returns undefined if no token is named and there is not exactly one */
function nameOf({ token }: Subject, slots: Listing['slots']): TokenName | undefined {
  const { tokenLabel, tokenSerial, tokenSlot } = token;
  if (tokenLabel !== undefined || tokenSerial !== undefined || tokenSlot !== undefined)
    return { label: tokenLabel, serial: tokenSerial, slot: tokenSlot };
  const initialized = slots.filter((slot) => slot.token?.isInitialized);
  return initialized.length === 1 ? { slot: initialized[0]!.id } : undefined;
}

/** Logs in and lists the objects. @returns undefined if there is no PIN; the notes say why */
async function objectsOf(
  subject: Subject,
  found: FoundToken,
  tokenName: TokenName,
  notes: string[],
): Promise<OwnedObject[] | undefined> {
  const { home, name, profile } = subject;
  const { userType, protectedPath } = profile.login;
  const latch = home === undefined ? undefined : fileLatch(home, name);
  if (latch?.isSet()) throw new HsmError(latch.refusal(), refusalText(name));
  assertUsable(found.token, tokenName, { protectedPath, sparesTries: true });
  const pin = await pinFor(subject, notes);
  if (!pin) return undefined;
  const session = found.slot.open(SessionFlag.SERIAL_SESSION);
  try {
    // graphene and pkcs11js take a string, which cannot be wiped; this process ends soon.
    session.login(protectedPath ? '' : pin.toString('utf8'), userType);
  } catch (error) {
    const refusal = toHsmError(error);
    if (!isRefusal(refusal.code)) throw refusal;
    latch?.set(refusal.code, refusal.message);
    throw new HsmError(refusal.code, refusalText(name, refusal));
  } finally {
    pin.fill(0);
  }
  // The login has rewritten a file of the token, as a worker's login does.
  if (profile.tokenFiles) TokenFiles.of(found.slot)?.loggedIn();
  const isDefault = home !== undefined && name === defaultStore;
  const { find, note } = isDefault
    ? await readOwners(home, session)
    : { find: ownerByLabel, note: undefined };
  if (note !== undefined) notes.push(note);
  const objects = listObjects(session).map((object) => ({ ...object, owner: find(object) }));
  session.logout();
  session.close();
  return objects;
}

/** Reads the PIN. @returns UTF-8, which the caller wipes; undefined if there is none */
async function pinFor({ home = '', profile, token }: Subject, notes: string[]): Promise<Buffer | undefined> {
  const source = token.pin;
  if (!source && !profile.login.protectedPath) {
    notes.push(
      'Objects are not listed: there is no PIN to log in with. Use --pin-file FILE or --pin-env NAME.',
    );
    return undefined;
  }
  const fault = turnOffCoreDumps();
  if (fault !== undefined) process.stderr.write(`${program.name()}: ${fault}\n`);
  try {
    return await loginPin(profile, token, () => readPin(source!, home));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    notes.push(`Objects are not listed: ${error.message} Or use --pin-file FILE or --pin-env NAME.`);
    return undefined;
  }
}

/** @returns 0; 1 if module, token or login fail, after printing what could be listed */
async function list(): Promise<number> {
  const options = program.opts<Options>();
  let findings: Findings;
  try {
    findings = await inspect(subjectOf(options), options.login);
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    process.stderr.write(`${program.name()}: ${error.message}\n`);
    return exitCodes.failed;
  }
  endWithReader();
  process.stdout.write(reports[options.output](findings.listing));
  if (!findings.problem) return exitCodes.done;
  process.stderr.write(`${program.name()}: ${findings.problem.message}\n`);
  return exitCodes.failed;
}

await runProgram(program, list, exitCodes.usage);
