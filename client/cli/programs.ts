// Commands that are separate programs. They read the daemon's home and do not connect to the daemon.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { lastLines } from './last-lines.js';

/** An admin program: the words of its command, its file below daemon/admin, and its description. */
type Program = readonly [words: string, file: string, description: string];

/** The program that `keyhold backup` starts if the daemon is not running. */
export const stoppedBackup: Program = [
  'backup',
  'backup/backup',
  'Makes a backup of a home whose daemon is stopped.',
];

/** The program of `keyhold region link` and `rotate`: the ceremony. */
export const linkCeremony: Program = [
  'region link',
  'region/ceremony',
  'Makes the keys of a link to another Region in the HSM.',
];

/** The program of `keyhold region unlink` and `rotate`. */
export const linkDestruction: Program = [
  'region unlink',
  'region/destroy',
  'Destroys the keys of a link to another Region in the HSM.',
];

/** The admin programs. */
export const programs: readonly Program[] = [
  ['init', 'init', 'Sets up a home: configuration, token, certificates, root credentials.'],
  ['doctor', 'hsm/doctor', 'Shows what the HSM can do, and what its module lacks.'],
  ['login-retry', 'hsm/login-retry', 'Lets the daemon try a refused PIN once more.'],
  ['hsm list', 'hsm/list', 'Lists slots, tokens, mechanisms and objects, and whose the objects are.'],
  ['audit verify', 'audit/verify', 'Verifies that the audit log is complete and unchanged.'],
  ['audit query', 'audit/query', 'Finds audit records by key, principal, event and time.'],
  ['audit tail', 'audit/tail', 'Prints the newest audit records; -f follows the log.'],
  stoppedBackup,
  linkCeremony,
  linkDestruction,
  ['restore', 'backup/restore', 'Verifies a backup, and restores it into an empty home.'],
  ['policy lint', 'policy-lint', 'Checks a policy document for mistakes.'],
  ['recover key-policy', 'recover/key-policy', 'Replaces a key policy that locks everybody out.'],
  ['recover store', 'recover/store', 'Accepts a metadata store that was restored from a backup.'],
  ['recover root-credentials', 'recover/root-credentials', 'Creates a new access key for the account root.'],
  ['recover audit', 'recover/audit', 'Accepts an audit log that lost records.'],
  ['recover materials', 'recover/materials', 'Takes in key material of the HSM that no record names.'],
];

const groups: Readonly<Record<string, string>> = {
  audit: 'Verifies and searches the audit log.',
  region: 'Links to other Regions, for multi-Region keys.',
  hsm: 'Shows the HSM through its PKCS#11 module.',
  recover: 'Disaster recovery, with the daemon stopped.',
};
const heading = 'Running Keyhold (on its own machine):';

/** Programs whose commands also ask the daemon. commands/audit.ts and commands/region/ add them. */
const withOwnCommand: ReadonlySet<string> = new Set([
  'audit query',
  'audit tail',
  'region link',
  'region unlink',
]);

/**
 * Adds `keyhold init`, `keyhold audit verify` and so on, which parse their own arguments.
 * @returns their commands
 */
export function addPrograms(program: Command): ReadonlySet<Command> {
  return new Set(
    programs.flatMap((each) => {
      const [words, , description] = each;
      if (each === stoppedBackup || withOwnCommand.has(words)) return [];
      const [first = '', second] = words.split(' ');
      return (second === undefined ? program : groupOf(program, first))
        .command(second ?? first)
        .description(description)
        .helpGroup(second === undefined ? heading : 'Commands:')
        .allowUnknownOption()
        .allowExcessArguments()
        .helpOption(false)
        .action((_options: unknown, command: Command) => runAdminProgram(each, command.args));
    }),
  );
}

/** Returns the command of a group such as `audit`, and adds it if needed. */
export function groupOf(program: Command, name: string): Command {
  const existing = program.commands.find((command) => command.name() === name);
  if (existing) return existing;
  return program
    .command(name)
    .description(groups[name] ?? '')
    .helpGroup(heading);
}

/**
 * Finds the file of an admin program.
 * @throws Error in the client package, which contains this command line without the daemon
 */
export function adminProgramPath([words, file]: Program): string {
  const path = fileURLToPath(new URL(`../../daemon/admin/${file}.js`, import.meta.url));
  if (existsSync(path)) return path;
  throw new Error(
    `'keyhold ${words}' comes with the package of the daemon, and this is the command line of @keyhold/client. Run it on the daemon's machine, where the package keyhold is installed.`,
  );
}

/**
 * Runs an admin program in this terminal. Its exit status becomes that of this process.
 * @param last the most lines of its output to print, the last ones; all if not given
 */
export async function runAdminProgram(
  program: Program,
  args: readonly string[],
  last?: number,
): Promise<void> {
  const { status, lines } = await runInTerminal(program, args, last);
  process.exitCode = status;
  for (const line of lines) process.stdout.write(`${line}\n`);
}

/**
 * Runs an admin program in this terminal.
 * @param last how many of the last lines of its output are returned instead of printed
 * @returns its exit status, and these lines
 */
export async function runInTerminal(
  program: Program,
  args: readonly string[],
  last?: number,
): Promise<{ readonly status: number; readonly lines: readonly string[] }> {
  const output = last === undefined ? 'inherit' : 'pipe';
  const path = adminProgramPath(program);
  const child = spawn(process.execPath, [path, ...args], { stdio: ['inherit', output, 'inherit'] });
  const lines = child.stdout ? lastLines(child.stdout, last!) : [];
  // Ctrl-C reaches the child too, which handles it.
  const ignore = () => undefined;
  const forward = () => child.kill('SIGTERM');
  process.on('SIGINT', ignore).on('SIGTERM', forward);
  try {
    const status = await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
    });
    return { status, lines: await lines };
  } finally {
    process.off('SIGINT', ignore).off('SIGTERM', forward);
  }
}
