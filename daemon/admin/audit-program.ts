// What the audit programs and policy lint share: where the log is, wrong usage, and running as a program of their own.
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, CommanderError, InvalidArgumentError } from 'commander';

/** Exit codes of the programs. */
export const exit = { whole: 0, broken: 1, usage: 2 } as const;

/** What cannot go on because of how the program was called, or of what it cannot read. */
export class UsageError extends Error {}

/** `--home`, else the environment's KEYHOLD_HOME. */
export function homeOf(option: string | undefined): string {
  const home = option ?? process.env.KEYHOLD_HOME;
  if (!home) throw new UsageError('no home: give --home DIR or set KEYHOLD_HOME');
  return home;
}

/** The directory of a home's audit log. */
export function auditDirectory(home: string): string {
  return join(home, 'audit');
}

/** Parses an option's whole number from 0 up. */
export function wholeNumber(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/**
 * Parses arguments and runs a command's work.
 * @returns the work's exit code; 2 for wrong usage and for what cannot be read, after saying so on stderr
 */
export async function runCommand(
  command: Command,
  argv: readonly string[],
  work: () => Promise<number>,
): Promise<number> {
  let code: number = exit.usage;
  command.exitOverride().action(async () => {
    code = await work();
  });
  try {
    await command.parseAsync(argv, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exit.usage;
    process.stderr.write(`${command.name()}: ${error instanceof Error ? error.message : String(error)}\n`);
    return exit.usage;
  }
}

/** Whether the module with this `import.meta.url` is what node was started with. */
export function isProgram(url: string): boolean {
  const started = process.argv[1];
  return started !== undefined && realpathSync(started) === fileURLToPath(url);
}
