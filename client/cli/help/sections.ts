// The help of a command as data, for --help and for the manual pages.
import type { Argument, Command, Option } from 'commander';
import { examplesOf, type Example } from './examples.js';
import { globalHeading, optionsHeading, requiredHeading } from './headings.js';

/** A term and its description. */
export interface HelpItem {
  readonly term: string;
  readonly text: string;
}

/** Items under a title. */
export interface HelpSection {
  readonly title: string;
  readonly items: readonly HelpItem[];
}

/** The help of a command. */
export interface CommandHelp {
  /** Such as `keyhold encrypt --key-id <value> --plaintext <value> [options]`. */
  readonly usage: string;
  readonly description: string;
  readonly sections: readonly HelpSection[];
  readonly examples: readonly Example[];
  /** The options that every command accepts. */
  readonly globalOptions: readonly HelpItem[];
}

/** Returns the help of a command. */
export function helpOf(command: Command): CommandHelp {
  const options = visibleOptions(command);
  const required = options.filter((option) => headingOf(option) === requiredHeading);
  const values = required.map(({ flags }) => flags.replace(/^-\w, /, ''));
  const commands = command.commands.filter((each) => each.name() !== 'help');
  const tail = commands.length > 0 ? ['<command>'] : [];
  return {
    usage: [
      wordsOf(command),
      ...command.registeredArguments.map(argumentTerm),
      ...values,
      ...tail,
      '[options]',
    ].join(' '),
    description: command.description(),
    sections: [
      { title: 'Arguments:', items: command.registeredArguments.map(argumentItem) },
      ...grouped(options, headingOf, optionItem, [requiredHeading, optionsHeading]),
      ...grouped(commands, (each) => each.helpGroup() || 'Commands:', commandItem),
    ].filter(({ title, items }) => items.length > 0 && title !== globalHeading),
    examples: examplesOf(wordsOf(command).split(' ').slice(1).join(' '), command),
    globalOptions: options.filter((option) => headingOf(option) === globalHeading).map(optionItem),
  };
}

/** Returns the words of a command, such as `keyhold audit query`. */
export function wordsOf(command: Command): string {
  return command.parent ? `${wordsOf(command.parent)} ${command.name()}` : command.name();
}

function visibleOptions(command: Command): Option[] {
  const help = command.createHelp();
  return help.visibleOptions(command);
}

function headingOf({ mandatory, helpGroupHeading }: Option): string {
  return mandatory ? requiredHeading : (helpGroupHeading ?? optionsHeading);
}

/** Groups entries into sections. @param first titles of the sections that come first; the others are in order of entries */
function grouped<Entry>(
  entries: readonly Entry[],
  titleOf: (entry: Entry) => string,
  itemOf: (entry: Entry) => HelpItem,
  first: readonly string[] = [],
): HelpSection[] {
  const groups = new Map<string, HelpItem[]>(first.map((title) => [title, []]));
  for (const entry of entries) {
    const title = titleOf(entry);
    groups.set(title, [...(groups.get(title) ?? []), itemOf(entry)]);
  }
  return [...groups].map(([title, items]) => ({ title, items }));
}

function optionItem({ flags, description, argChoices, defaultValue }: Option): HelpItem {
  const parts = [description];
  if (argChoices) parts.push(`one of ${argChoices.join(', ')}`);
  if (typeof defaultValue === 'string' || typeof defaultValue === 'number')
    parts.push(`${defaultValue} if not given`);
  return { term: flags, text: parts.filter((part) => part !== '').join('; ') };
}

function argumentTerm(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function argumentItem(argument: Argument): HelpItem {
  const choices = argument.argChoices ? `; one of ${argument.argChoices.join(', ')}` : '';
  return { term: argumentTerm(argument), text: argument.description + choices };
}

function commandItem(command: Command): HelpItem {
  const term = [command.name(), ...command.registeredArguments.map(argumentTerm)].join(' ');
  return { term, text: command.summary() || command.description() };
}
