// keyhold completion: what a shell completes, as a script that it loads.
import { Argument, type Command } from 'commander';

/** Adds `keyhold completion`. @returns the command, which reaches no daemon */
export function addCompletionCommand(program: Command): Command {
  return program
    .command('completion')
    .helpGroup('At a glance:')
    .description('Prints a script by which a shell completes commands, options and their values.')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      // Loaded here: other commands do without.
      const { completionScripts } = await import('../help/completion.js');
      process.stdout.write(completionScripts[shell](program));
    });
}
