// The global options of the AWS CLI v2, which every command accepts. Those that Keyhold does not support are refused with a
// reason.
import { type Command, Option } from 'commander';
import { defaultCredentials } from '../credentials.js';
import type { ConnectOptions } from '../options.js';
import { globalHeading } from './help/headings.js';
import { outputOption } from './output/output.js';
import { type ColorChoice, colorChoices } from './output/style.js';
import { binaryFormats, UsageError } from './input/values.js';

/** The values of the global options. */
export interface GlobalOptions {
  readonly region?: string;
  readonly profile?: string;
  readonly endpointUrl?: string;
  readonly caBundle?: string;
  readonly cliReadTimeout?: string;
  readonly cliConnectTimeout?: string;
  readonly debug?: boolean;
  readonly color?: ColorChoice;
}

/** For commands that connect. If a command has its own option of the same name, these must precede the command's name. */
const options: readonly (readonly [flags: string, description: string, choices?: readonly string[]])[] = [
  ['--region <region>', 'the Region to sign for; AWS_REGION if not given'],
  ['--profile <name>', 'the profile of the AWS credentials file to sign with'],
  ['--endpoint-url <url>', 'where the daemon is: https://host:port or unix:/path; KEYHOLD_URL if not given'],
  ['--ca-bundle <path>', 'certificates to trust, in PEM; AWS_CA_BUNDLE if not given'],
  ['--cli-read-timeout <seconds>', 'how long a request may take, with its repetitions; 0: no limit'],
  ['--cli-connect-timeout <seconds>', 'how long connecting may take; 0: no limit'],
  ['--debug', 'say on standard error what is done, and where an error comes from'],
  ['--no-cli-pager', 'no effect: there is no pager'],
  ['--no-cli-auto-prompt', 'no effect: there are no prompts'],
  ['--color <when>', 'when to use colors; on a terminal without NO_COLOR if not given', colorChoices],
  ['--cli-binary-format <format>', 'how bytes are given', binaryFormats],
];

const noOperation = 'this command is not one operation of the API';
const noPages = 'this command returns no list in pages';

/** Options of the AWS CLI that are refused, with the reason, unless the command has its own option of that name. */
const refused: Readonly<Record<string, string>> = {
  '--no-verify-ssl': 'the certificate of the daemon is always verified; trust its authority with --ca-bundle',
  '--no-sign-request': 'every request is signed',
  '--cli-auto-prompt': 'there are no prompts',
  '--cli-input-json <value>': noOperation,
  '--cli-input-yaml <value>': noOperation,
  '--generate-cli-skeleton [value]': noOperation,
  '--max-items <value>': noPages,
  '--page-size <value>': noPages,
  '--starting-token <value>': noPages,
  '--no-paginate': noPages,
};

/**
 * The options added here, which all commands share. They are no command's own options of the same name. Making them anew for
 * each of some 150 commands took a tenth of a start.
 */
const added: ReadonlySet<Option> = new Set(
  options.map(([flags, description, choices]) => {
    const option = new Option(flags, description).helpGroup(globalHeading);
    return choices ? option.choices(choices) : option;
  }),
);

const refusedOptions = Object.keys(refused).map((flags) => new Option(flags).hideHelp());

const printing = [
  outputOption().helpGroup(globalHeading),
  new Option('--query <expression>', 'a JMESPath expression that selects what to print').helpGroup(
    globalHeading,
  ),
];

/**
 * Adds the options to the program and to its commands, so that they may precede or follow a command's name.
 * @param isOfClient whether a command connects to the daemon; the others get none of these options
 * @param apply called with the options before the command runs
 */
export function addGlobalOptions(
  program: Command,
  isOfClient: (command: Command) => boolean,
  apply: (options: GlobalOptions) => void,
): void {
  program.enablePositionalOptions();
  for (const option of printing) program.addOption(option);
  addTo(program);
  for (const command of leaves(program)) if (isOfClient(command)) addTo(command);
  program.hook('preAction', (_program, command) => {
    refuseOptionsAsValues(program, command);
    inherit(program, command);
    if (!isOfClient(command)) return;
    for (const [flags, reason] of Object.entries(refused)) refuse(command, flags, reason);
    apply(globalsOf(program, command));
  });
}

function addTo(command: Command): void {
  const own = new Set(command.options.map(({ long }) => long));
  for (const option of [...added, ...refusedOptions]) if (!own.has(option.long)) command.addOption(option);
}

/** Returns all commands without subcommands. */
function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

/** Refuses options in the place of values: in `--description --policy file://p` a value is missing. @throws UsageError */
function refuseOptionsAsValues(program: Command, command: Command): void {
  // The types of commander lack it.
  const { rawArgs } = program as Command & { readonly rawArgs: readonly string[] };
  const flags = new Set(command.options.flatMap(({ long, short }) => [long, short]));
  for (const option of command.options) {
    const value: unknown = command.getOptionValue(option.attributeName());
    if (typeof value !== 'string' || !flags.has(value.split('=')[0]) || !rawArgs.includes(value)) continue;
    throw new UsageError(
      `${option.long} takes a value, and ${value} is an option. A value that begins so follows =: ${option.long}=${value}`,
    );
  }
}

/** Sets the options before a command's name on the command. @throws UsageError for one that it does not have */
function inherit(program: Command, command: Command): void {
  const given = program.options.filter(
    (option) => program.getOptionValueSource(option.attributeName()) === 'cli',
  );
  for (const option of given) {
    const attribute = option.attributeName();
    const own = command.options.find(({ long }) => long === option.long);
    if (!own) throw new UsageError(`'${command.name()}' does not take ${option.long}.`);
    // The command's own option of the same name is a different one; this one is for the connection.
    if (added.has(option) && !added.has(own)) continue;
    // The option after the command's name takes precedence.
    if (command.getOptionValueSource(attribute) !== 'cli')
      command.setOptionValueWithSource(attribute, program.getOptionValue(attribute), 'cli');
  }
}

/** Returns the values of the global options, whether before or after the command's name. */
function globalsOf(program: Command, command: Command): GlobalOptions {
  const isOwn = ({ long }: Option) => !command.options.some((each) => each.long === long && added.has(each));
  return Object.fromEntries(
    program.options
      .filter((option) => added.has(option))
      .map((option) => {
        const name = option.attributeName();
        return [name, (isOwn(option) ? program : command).getOptionValue(name) as unknown];
      }),
  );
}

/** Refuses an option. @throws UsageError if it was given */
function refuse(command: Command, flags: string, reason: string): void {
  const option = command.options.find((each) => each.flags === flags && each.hidden);
  if (!option || command.getOptionValueSource(option.attributeName()) !== 'cli') return;
  // --this and --no-this share one value.
  if ((command.getOptionValue(option.attributeName()) === false) === option.negate)
    throw new UsageError(`${option.long} is not available: ${reason}.`);
}

/** Converts the global options to those of a connection. @throws UsageError for an invalid value */
export async function connectionOf(options: GlobalOptions): Promise<ConnectOptions> {
  const { region, profile, endpointUrl, caBundle, cliReadTimeout, cliConnectTimeout } = options;
  return {
    ...(region !== undefined && { region }),
    // As with the AWS CLI, --profile takes precedence over the environment variables.
    ...(profile !== undefined && {
      credentials: () =>
        defaultCredentials({ ...process.env, AWS_PROFILE: profile, AWS_ACCESS_KEY_ID: undefined }),
    }),
    ...(endpointUrl !== undefined && { url: urlOf(endpointUrl) }),
    ...(caBundle !== undefined && { ca: await readBundle(caBundle) }),
    ...(cliReadTimeout !== undefined && { timeout: milliseconds('--cli-read-timeout', cliReadTimeout) }),
    ...(cliConnectTimeout !== undefined && {
      connectTimeout: milliseconds('--cli-connect-timeout', cliConnectTimeout),
    }),
  };
}

/** Converts an https URL to wss: the native protocol has the address of the AWS endpoint. @throws UsageError for http */
function urlOf(text: string): string {
  if (text.startsWith('http:'))
    throw new UsageError('--endpoint-url: the daemon is reached by TLS; give https://host:port.');
  return text.startsWith('https:') ? text.replace(/^https:/, 'wss:') : text;
}

async function readBundle(path: string): Promise<Buffer> {
  const { readFile } = await import('node:fs/promises');
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`--ca-bundle: ${path} cannot be read (${error.code ?? ''}).`);
  });
}

const longestWait = 0x7fffffff;

function milliseconds(option: string, text: string): number {
  if (!/^[0-9]+$/.test(text))
    throw new UsageError(`${option} takes a whole number of seconds, not '${text}'.`);
  const seconds = Number(text);
  return seconds === 0 ? longestWait : Math.min(seconds * 1000, longestWait);
}
