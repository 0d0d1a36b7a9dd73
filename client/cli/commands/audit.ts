// keyhold audit query and audit tail: read the log on this machine, or through the daemon with permission.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { QueryAuditRequest } from '../../../proto/generated/messages.js';
import { readableAuditLine } from '../../../proto/audit-lines.js';
import { shapeByName } from '../../../proto/schema/descriptor.js';
import { optionText } from '../help/option-texts.js';
import { UsageError } from '../input/values.js';
import { paintFor } from '../output/style.js';
import { groupOf, runAdminProgram } from '../programs.js';
import { withClient } from '../session.js';
import { follow, newest } from './audit-remote.js';

const formats = ['json', 'text', 'readable'] as const;

interface Options extends Readonly<Record<string, unknown>> {
  readonly remote?: boolean;
  readonly home?: string;
  readonly dir?: string;
  readonly archives?: string;
  readonly publicKey?: string;
  readonly index?: boolean;
  readonly follow?: boolean;
  readonly lines?: number;
  readonly output?: (typeof formats)[number];
}

const defaultLines = 10;

/** The filters: fields of QueryAudit, which are also options of the admin programs. */
const filters = shapeByName
  .get('QueryAudit')!
  .request.fields.map(({ name }) => name)
  .filter((name) => name !== 'limit' && name !== 'marker');

/** Adds `keyhold audit query` and `keyhold audit tail`. */
export function addAuditCommands(program: Command): void {
  const group = groupOf(program, 'audit');
  const query = group
    .command('query')
    .description('Finds audit records by key, principal, event, outcome and time, oldest first.')
    .option('--dir <dir>', 'directory of a copy of the log')
    .option('--archives <dir>', 'directory of archived files, which are read too')
    .option('--no-index', 'read the whole log, even parts that its indexes exclude')
    .option('--public-key <file>', 'the key of the indexes; audit-public-key.pem of the home by default')
    .option(
      '-n, --lines <n>',
      'number of records, the newest ones; 100 by default with --remote, else all',
      wholeNumber,
    );
  const tail = group
    .command('tail')
    .description('Shows the newest audit records that match all filters. -f follows the log.')
    .option('-f, --follow', 'keep showing new records until Ctrl-C')
    .option('-n, --lines <n>', `number of records; ${defaultLines} by default`, wholeNumber);
  for (const command of [query, tail]) {
    for (const name of filters)
      command.addOption(
        new Option(`--${name} <value>`, optionText('QueryAudit', name)).helpGroup('Filters:'),
      );
    command
      .option('--home <dir>', "the daemon's home directory on this machine; KEYHOLD_HOME by default")
      .option(
        '--remote',
        'query the daemon, which requires keyhold:QueryAudit; the default without a home directory',
      )
      .addOption(
        new Option(
          '--output <format>',
          'output format; readable on a terminal and json elsewhere by default',
        ).choices(formats),
      );
  }
  query.action((options: Options, command: Command) => run('query', options, command));
  tail.action((options: Options, command: Command) => run('tail', options, command));
}

function wholeNumber(text: string): number {
  if (!/^[1-9][0-9]{0,6}$/.test(text))
    throw new InvalidArgumentError('It must be a whole number, 1 or greater.');
  return Number(text);
}

/** Options of a connection. With one of them the query goes to the daemon. */
const ofConnection = ['endpointUrl', 'profile', 'caBundle'];

async function run(name: 'query' | 'tail', options: Options, command: Command): Promise<void> {
  const { remote, dir, output } = options;
  const home = options.home ?? (process.env.KEYHOLD_HOME || undefined);
  const isLocal =
    !remote && (dir ?? home) !== undefined && ofConnection.every((each) => options[each] === undefined);
  const format = output ?? (process.stdout.isTTY ? 'readable' : 'json');
  if (isLocal) {
    // The program of `audit query` prints all that it finds.
    const last = name === 'query' ? options.lines : undefined;
    await runAdminProgram([`audit ${name}`, `audit/${name}`, ''], argumentsOf(command, format), last);
    return;
  }
  const ofThisMachine = [dir, options.home, options.archives, options.publicKey];
  if (ofThisMachine.some((each) => each !== undefined) || options.index === false)
    throw new UsageError(
      '--dir, --home, --archives, --no-index and --public-key read the log on this machine. They cannot be combined with --remote.',
    );
  const request = Object.fromEntries(filters.map((filter) => [filter, options[filter]])) as QueryAuditRequest;
  const most = options.lines ?? (name === 'tail' ? defaultLines : 100);
  const print = (lines: readonly string[]) => printLines(lines, format);
  await withClient(
    async (client, signal) =>
      options.follow
        ? // Ctrl-C is its usual end.
          await follow(client, request, most, print, signal).catch((error: unknown) => {
            if (!signal.aborted) throw error;
          })
        : print(await newest(client, request, most)),
    'QueryAudit',
  );
}

/** Returns the arguments of the admin program. */
function argumentsOf(command: Command, format: string): string[] {
  const own = ['dir', 'archives', 'home', 'follow', 'lines', 'publicKey', ...filters];
  const given = own.flatMap((name) => {
    const value: unknown = command.getOptionValue(name);
    if (value === undefined || (name === 'lines' && command.name() === 'query')) return [];
    const { long = '' } = command.options.find((option) => option.attributeName() === name)!;
    return value === true ? [long] : [long, `${value as string | number}`];
  });
  const isIndexed = command.getOptionValue('index') !== false;
  return [...given, ...(isIndexed ? [] : ['--no-index']), '--output', format];
}

function printLines(lines: readonly string[], format: string): void {
  const paint = paintFor(process.stdout);
  const textOf =
    format === 'json' ? (line: string) => line : (line: string) => readableAuditLine(line, paint);
  process.stdout.write(lines.map((line) => `${textOf(line)}\n`).join(''));
}
