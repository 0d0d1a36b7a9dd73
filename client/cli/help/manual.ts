// Manual pages in roff (man(7)), made of the same data as --help: one of the program, one of each command, and one of each
// group of commands, such as `audit`, with all its commands.
import type { Command } from 'commander';
import { exitCodes } from '../exit-codes.js';
import type { Example } from './examples.js';
import { optionsHeading } from './headings.js';
import { type CommandHelp, type HelpItem, helpOf, wordsOf } from './sections.js';

/** What is known of a command's usage, description and options. */
type Described = Pick<CommandHelp, 'usage' | 'description' | 'sections'>;

/** A manual page. */
export interface ManualPage {
  /** The name of its file, such as `keyhold-encrypt.1`. */
  readonly file: string;
  readonly roff: string;
}

const statuses: readonly HelpItem[] = [
  { term: '0', text: 'Done.' },
  { term: `${exitCodes.refused}`, text: 'The daemon refused the request, or the command failed.' },
  { term: `${exitCodes.usage}`, text: 'The command line is wrong. Nothing was sent.' },
  { term: `${exitCodes.noDaemon}`, text: 'The daemon was not reached, or did not answer in time.' },
  { term: `${exitCodes.interrupted}`, text: 'Ctrl-C ended the command.' },
];

const variables: readonly HelpItem[] = [
  { term: 'KEYHOLD_URL', text: 'where the daemon is: wss://host:port or unix:/path' },
  { term: 'KEYHOLD_HOME', text: "the daemon's home, for commands on its machine" },
  { term: 'KEYHOLD_CERTIFICATE, KEYHOLD_CERTIFICATE_KEY', text: 'a client certificate to sign in with' },
  { term: 'AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE', text: 'the profile to sign with, and its file' },
  { term: 'AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN', text: 'credentials to sign with' },
  { term: 'AWS_REGION', text: 'the Region to sign for' },
  { term: 'AWS_CA_BUNDLE', text: 'certificates to trust, in PEM' },
  { term: 'AWS_DEFAULT_OUTPUT', text: 'how to print, as --output says' },
  { term: 'NO_COLOR', text: 'if set, output has no colors' },
];

/**
 * Makes the manual pages of a program.
 * @param version the version in the footer of the pages
 * @param described the usage and options of the commands that start a program, by their words, such as `keyhold init`
 */
export function manualPages(
  program: Command,
  version: string,
  described: ReadonlyMap<string, Described> = new Map(),
): ManualPage[] {
  const help = (command: Command) => ({ ...helpOf(command), ...described.get(wordsOf(command)) });
  return [program, ...commandsOf(program)].map((command) => {
    const name = wordsOf(command).replaceAll(' ', '-');
    const title = `.TH ${name.toUpperCase()} 1 "" "Keyhold ${escaped(version)}" "Keyhold"`;
    const body = command.parent === null ? programPage(command) : commandPage(command, help);
    return { file: `${name}.1`, roff: `${[title, ...body].join('\n')}\n` };
  });
}

function commandsOf(command: Command): Command[] {
  return command.commands.filter((each) => each.name() !== 'help');
}

function programPage(program: Command): string[] {
  const { description, sections, examples, globalOptions } = helpOf(program);
  const own = sections.filter(({ title }) => title === optionsHeading).flatMap(({ items }) => items);
  const commands = sections.filter(({ title }) => title !== optionsHeading);
  return [
    ...heading('NAME', `${program.name()} \\- ${escaped(description)}`),
    ...heading('SYNOPSIS', '.B keyhold', '.I command', '[options]'),
    ...heading('DESCRIPTION', escaped(description)),
    'Each command has a page:',
    '.BR keyhold\\-encrypt (1)',
    'describes',
    '.BR "keyhold encrypt" .',
    ...heading('COMMANDS'),
    ...commands.flatMap(({ title, items }) => ['.SS', escaped(title.replace(/:$/, '')), ...itemLines(items)]),
    ...heading('GLOBAL OPTIONS', ...itemLines([...globalOptions, ...own])),
    ...heading('ENVIRONMENT', ...itemLines(variables)),
    ...heading('EXIT STATUS', ...itemLines(statuses)),
    ...examplesText(examples),
  ];
}

function commandPage(command: Command, helpFor: (command: Command) => CommandHelp): string[] {
  const summary = (command.summary() || command.description()).replace(/\.$/, '');
  const name = [...heading('NAME', `${wordsOf(command).replaceAll(' ', '\\-')} \\- ${escaped(summary)}`)];
  const seeAlso = heading('SEE ALSO', '.BR keyhold (1)');
  const subcommands = commandsOf(command);
  if (subcommands.length === 0) {
    const help = helpFor(command);
    return [
      ...name,
      ...heading('SYNOPSIS', ...synopsis(help)),
      ...heading('DESCRIPTION', escaped(help.description)),
      ...help.sections.flatMap(({ title, items }) => heading(titleOf(title), ...itemLines(items))),
      ...globalText(help),
      ...examplesText(help.examples),
      ...seeAlso,
    ];
  }
  const helps = subcommands.map((each) => [each, helpFor(each)] as const);
  return [
    ...name,
    ...heading('SYNOPSIS', ...helps.flatMap(([, help], n) => [...(n > 0 ? ['.br'] : []), ...synopsis(help)])),
    ...heading('DESCRIPTION', escaped(command.description())),
    ...heading('COMMANDS'),
    ...helps.flatMap(([each, { description, sections }]) => [
      '.SS',
      escaped(wordsOf(each)),
      escaped(description),
      ...sections.flatMap(({ title, items }) => ['.PP', ...styled('I', escaped(title)), ...itemLines(items)]),
    ]),
    ...globalText(helps.find(([, { globalOptions }]) => globalOptions.length > 0)?.[1]),
    ...examplesText(helps.flatMap(([, { examples }]) => examples)),
    ...seeAlso,
  ];
}

/** Names the global options, which are described in keyhold(1). */
function globalText(help: CommandHelp | undefined): string[] {
  const names = (help?.globalOptions ?? []).map(({ term }) => term.split(' ')[0]!);
  if (names.length === 0) return [];
  return heading('GLOBAL OPTIONS', `${escaped(names.join(', '))}: see`, '.BR keyhold (1).');
}

function synopsis({ usage }: CommandHelp): string[] {
  const [words = '', rest = ''] = usage.split(/(?<=^keyhold(?: [a-z][a-z-]*)*) (?=[<[-]|$)/);
  return [...styled('B', escaped(words)), ...(rest === '' ? [] : [escaped(rest)])];
}

function itemLines(items: readonly HelpItem[]): string[] {
  return items.flatMap(({ term, text }) => ['.TP', ...styled('B', escaped(term)), escaped(text) || '\\&']);
}

function examplesText(examples: readonly Example[]): string[] {
  if (examples.length === 0) return [];
  return heading(
    'EXAMPLES',
    ...examples.flatMap(({ text, line }) => [
      '.PP',
      ...(text === '' ? [] : [`${escaped(text.charAt(0).toUpperCase() + text.slice(1))}:`]),
      '.PP',
      '.nf',
      '.RS 4',
      ...line.split('\n').map(escaped),
      '.RE',
      '.fi',
    ]),
  );
}

function heading(title: string, ...lines: string[]): string[] {
  return [`.SH ${title}`, ...lines];
}

function titleOf(title: string): string {
  return escaped(title.replace(/:$/, '').toUpperCase());
}

/** A line in bold or italics. */
function styled(style: 'B' | 'I', line: string): string[] {
  return [`.${style} ${line.includes('"') ? line.replaceAll('"', '\\(dq') : line}`];
}

/** Escapes a line of text: backslashes, hyphens that are minus signs, and what a line must not begin with. */
function escaped(line: string): string {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replace(/^(?=[.'])/, '\\&')
    .replaceAll("'", '\\(aq');
}
