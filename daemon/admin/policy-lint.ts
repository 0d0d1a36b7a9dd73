// keyhold policy lint: checks a policy document without a daemon.
import { readFileSync } from 'node:fs';
import { Argument, Command, Option } from 'commander';
import { kinds, type PolicyKind } from '../policy/kinds.js';
import { lintPolicy } from '../policy/lint.js';
import { isProgram, runCommand } from './audit-program.js';

/**
 * Runs `keyhold policy lint FILE`: prints a finding a line, with its place in the document.
 * @param argv arguments without the program's name
 * @returns 0: nothing, or warnings; 1: an error, with which the policy would be refused; 2: wrong usage
 */
export async function policyLint(argv: readonly string[]): Promise<number> {
  const command = new Command('keyhold policy lint')
    .description(
      'Checks a policy document: errors with which it would be refused, and what is probably not meant.',
    )
    .addArgument(new Argument('<file>', 'JSON; - for the standard input'))
    .addOption(
      new Option(
        '--type <type>',
        'the kind of policy; guessed from its principals and actions if not given',
      ).choices(Object.keys(kinds)),
    );
  return runCommand(command, argv, () => {
    const [file = '-'] = command.args;
    const { type } = command.opts<{ type?: PolicyKind }>();
    const findings = lintPolicy(readFileSync(file === '-' ? 0 : file, 'utf8'), type);
    for (const { severity, message } of findings) process.stdout.write(`${severity}: ${message}\n`);
    return Promise.resolve(findings.some(({ severity }) => severity === 'error') ? 1 : 0);
  });
}

if (isProgram(import.meta.url)) process.exitCode = await policyLint(process.argv.slice(2));
