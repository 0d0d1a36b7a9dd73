// How --help is laid out: for terminals of 80 columns.
import { type Command, Help, type HelpConfiguration } from 'commander';

/** The widest term that has its description beside it; that of a wider one is below it. */
const termWidth = 34;

const layout: HelpConfiguration = {
  // Without [options], which every command takes.
  subcommandTerm: (command) =>
    [command.name(), ...command.registeredArguments.map((each) => `<${each.name()}>`)].join(' '),
  subcommandDescription: (command) => command.summary() || command.description(),
  padWidth: (command, help) => Math.min(termWidth, Help.prototype.padWidth.call(help, command, help)),
  formatItem: (term, width, description, help) => {
    const format = (each: string) => Help.prototype.formatItem.call(help, each, width, description, help);
    if (term.length <= width || !description) return format(term);
    return `  ${term}\n${format('')}`;
  },
};

/** Sets the layout for a program and the commands that are added to it from now on. */
export function layOutHelp(program: Command): Command {
  return program
    .configureHelp(layout)
    .helpOption('-h, --help', 'show this help')
    .optionsGroup('Global options:');
}
