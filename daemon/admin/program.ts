// The frame of all admin programs: arguments, home, errors, exit codes.
import { clearProgress } from '../../proto/progress.js';
import { type Command, CommanderError, InvalidArgumentError } from 'commander';

/** Exit codes of admin programs. */
export const exitCodes = { done: 0, failed: 1, usage: 2 } as const;

/** The program was called with wrong arguments, or with input that it cannot read: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Adds `--home`. */
export function addHomeOption(command: Command): Command {
  return command.option('--home <dir>', "the daemon's home; default: KEYHOLD_HOME");
}

/**
 * Returns the home that a program works on: `--home`, else KEYHOLD_HOME.
 * @throws UsageError if neither is given
 */
export function homeOf(command: Command): string {
  const home = command.opts<{ home?: string }>().home ?? process.env.KEYHOLD_HOME;
  if (!home) throw new UsageError('no home is given: use --home DIR or set KEYHOLD_HOME');
  return home;
}

/** Parses the whole number of an option. @throws InvalidArgumentError unless it has 1 to 15 digits */
export function wholeNumber(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/** Ends a program that only prints once the reader of its standard output, such as `head`, has exited: exit code 0. */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? exitCodes.done : exitCodes.usage),
  );
}

/**
 * Runs an admin program on the arguments of this process, and sets the exit code.
 * @param command arguments and options; its name precedes each error message
 * @param work called after the arguments are parsed; returns the exit code
 * @param failure the exit code after an error: 1, or 2 for programs in which 1 has another meaning
 */
export async function runProgram(
  command: Command,
  work: () => number | Promise<number>,
  failure: number = exitCodes.failed,
): Promise<void> {
  try {
    await command.exitOverride().parseAsync();
    process.exitCode = await work();
  } catch (error) {
    process.exitCode = report(command, error) ?? failure;
  }
}

/** Reports an error on standard error. @returns the exit code, if the error determines it */
function report(command: Command, error: unknown): number | undefined {
  clearProgress();
  // Commander has already reported it.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  process.stderr.write(`${command.name()}: ${isBug(error) ? (stack ?? message) : message}\n`);
  return error instanceof UsageError ? exitCodes.usage : undefined;
}

const ownErrors: ReadonlySet<unknown> = new Set([Error, EvalError, RangeError, ReferenceError, TypeError]);

/** Whether an error is one of JavaScript's own and not of a system call, so that its stack is needed. */
function isBug(error: unknown): boolean {
  return !(error instanceof Error) || (ownErrors.has(error.constructor) && !('code' in error));
}
