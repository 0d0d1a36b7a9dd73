// The layout of --help, for terminals of 80 columns.
import type { Command } from 'commander';
import { paintFor, type Paint } from '../output/style.js';
import { globalHeading, optionsHeading } from './headings.js';
import { type HelpItem, helpOf } from './sections.js';

const width = 80;
/** The widest term with its text beside it. The text of a wider term is below it. */
const widestTerm = 30;
const gap = 2;

/** Sets the layout for a program and the commands that are added to it later. */
export function layOutHelp(program: Command): Command {
  return program
    .configureHelp({ formatHelp: (command) => helpText(command, paintFor(process.stdout)) })
    .helpOption('-h, --help', 'show this help')
    .optionsGroup(globalHeading);
}

/** Returns the help text of a command. */
export function helpText(command: Command, paint: Paint): string {
  const { usage, description, sections, examples, globalOptions } = helpOf(command);
  const title = (text: string) => paint('bold', text);
  const isTop = command.parent === null;
  const lines = [
    ...wrap(usage, width - 'Usage: '.length).map((line, n) =>
      n === 0 ? `${title('Usage:')} ${line}` : `         ${line}`,
    ),
    '',
    ...wrap(description, width),
  ];
  // The commands come before options that apply to all of them.
  const shown = isTop ? sections.filter((section) => section.title !== optionsHeading) : sections;
  for (const section of shown) lines.push('', title(section.title), ...itemLines(section.items));
  if (examples.length > 0) lines.push('', title('Examples:'));
  for (const { text, line } of examples) {
    if (text !== '') lines.push(paint('dim', `  # ${text}`));
    lines.push(...line.split('\n').map((each) => `  ${each}`));
  }
  if (isTop) {
    const own = sections.find((section) => section.title === optionsHeading)?.items ?? [];
    lines.push('', title(globalHeading), ...itemLines([...globalOptions, ...own]));
  } else if (globalOptions.length > 0) {
    const names = globalOptions.map(({ term }) => term.replace(/^-\w, /, '').split(' ')[0]!);
    const text = `${names.join(', ')}: see 'keyhold --help'.`;
    lines.push('', title(globalHeading), ...wrap(text, width - gap).map((line) => `  ${line}`));
  }
  return `${lines.join('\n')}\n`;
}

/** Terms with their texts beside them. */
function itemLines(items: readonly HelpItem[]): string[] {
  const terms = items.map(({ term }) => term.length).filter((length) => length <= widestTerm);
  const column = gap + Math.max(0, ...terms) + gap;
  return items.flatMap(({ term, text }) => {
    const texts = text === '' ? [] : wrap(text, width - column);
    const start = `  ${term}`;
    if (term.length > widestTerm) return [start, ...texts.map((line) => ' '.repeat(column) + line)];
    const [first = '', ...rest] = texts;
    return [`${start.padEnd(column)}${first}`.trimEnd(), ...rest.map((line) => ' '.repeat(column) + line)];
  });
}

/** Breaks text into lines, but never between an option and its value. */
function wrap(text: string, most: number): string[] {
  const lines: string[] = [''];
  for (const word of text.match(/--?[a-z-]+ <[^>]*>|\S+/g) ?? []) {
    const last = lines.at(-1)!;
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= most) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
