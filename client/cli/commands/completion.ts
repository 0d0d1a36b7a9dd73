// keyhold completion: prints the completion script of a shell.
import { Argument, type Command } from 'commander';

/** Adds `keyhold completion`. @returns the command, which does not connect to the daemon */
export function addCompletionCommand(program: Command): Command {
  return program
    .command('completion')
    .helpGroup('At a glance:')
    .description('Prints a script by which a shell completes commands, options and their values.')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      // Loaded only here, since other commands do not need it.
      const { completionScripts } = await import('../help/completion.js');
      process.stdout.write(completionScripts[shell](program));
    });
}
