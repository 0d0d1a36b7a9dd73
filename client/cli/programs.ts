// Commands that are programs of their own beside the daemon: they read its home, not its socket.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';

/** The admin programs: the words of their commands, and their files below daemon/admin. */
export const programs = [
  {
    words: ['init'],
    file: 'init',
    description: 'Makes what a home needs: configuration, token, root credentials.',
  },
  {
    words: ['login-retry'],
    file: 'hsm/login-retry',
    description: 'Lets the daemon try a PIN again after it was refused.',
  },
  {
    words: ['doctor'],
    file: 'hsm/doctor',
    description: 'Says what the HSM can do, and what its module lacks.',
  },
  {
    words: ['hsm', 'list'],
    file: 'hsm/list',
    description: 'Lists slots, tokens, mechanisms and objects of the HSM, and whose the objects are.',
  },
  { words: ['audit', 'verify'], file: 'audit/verify', description: 'Checks the audit log for any edit.' },
  {
    words: ['audit', 'query'],
    file: 'audit/query',
    description: 'Finds audit records by key, principal, event and time.',
  },
  {
    words: ['audit', 'tail'],
    file: 'audit/tail',
    description: 'Prints the newest audit records; -f follows.',
  },
  {
    words: ['recover', 'key-policy'],
    file: 'recover/key-policy',
    description: 'Gives a key that nobody can manage back to the account root; with the daemon stopped.',
  },
  {
    words: ['recover', 'store'],
    file: 'recover/store',
    description: 'Accepts an older metadata store, restored on purpose; with the daemon stopped.',
  },
  {
    words: ['recover', 'root-credentials'],
    file: 'recover/root-credentials',
    description: 'Makes a new access key for the account root; with the daemon stopped.',
  },
  {
    words: ['recover', 'audit'],
    file: 'recover/audit',
    description: 'Accepts an audit log of which records are lost, on record; with the daemon stopped.',
  },
  {
    words: ['recover', 'materials'],
    file: 'recover/materials',
    description: 'Takes up key material that is in the HSM and in no record; with the daemon stopped.',
  },
  {
    words: ['policy', 'lint'],
    file: 'policy-lint',
    description: 'Checks a policy document, without a daemon.',
  },
] as const;

const groupDescriptions = {
  audit: 'The audit log.',
  hsm: 'The HSM, by its PKCS#11 module.',
  policy: 'Policy documents.',
  recover: 'Disaster recovery, with the daemon stopped.',
} as const;

/**
 * Adds `keyhold init`, `keyhold audit verify` and so on. Their arguments are theirs to read.
 * @returns their commands
 */
export function addPrograms(program: Command): ReadonlySet<Command> {
  const added = new Set<Command>();
  for (const { words, file, description } of programs) {
    let parent = program;
    if (words.length === 2) {
      const group = program.commands.find((command) => command.name() === words[0]);
      parent = group ?? program.command(words[0]).description(groupDescriptions[words[0]]);
    }
    const own = parent
      .command(words[words.length - 1] ?? '')
      .description(description)
      .allowUnknownOption()
      .allowExcessArguments()
      .helpOption(false)
      .action((_options: unknown, command: Command) => run(file, command.args));
    added.add(own);
  }
  return added;
}

async function run(file: string, args: readonly string[]): Promise<void> {
  const path = fileURLToPath(new URL(`../../daemon/admin/${file}.js`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: 'inherit' });
  // Ctrl-C reaches the child too, which ends in its own way.
  const ignore = () => undefined;
  process.on('SIGINT', ignore).on('SIGTERM', () => child.kill('SIGTERM'));
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']));
  });
}
