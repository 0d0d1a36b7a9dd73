// keyhold policy lint: checks a policy document without a daemon.
import { readFileSync } from 'node:fs';
import { Argument, Command, Option } from 'commander';
import { kinds, type PolicyKind } from '../policy/language/kinds.js';
import { lintPolicy } from '../policy/lint/lint.js';
import { exitCodes, runProgram } from './program.js';

// It prints one finding per line, with its position in the document. Exit codes: 0 for no findings or only warnings, 1 for an
// error with which the policy would be refused, 2 for wrong usage.
const program = new Command('keyhold policy lint')
  .description(
    'Checks a policy document for errors with which it would be refused, and for probable mistakes.',
  )
  .addArgument(new Argument('<file>', 'JSON; - for standard input'))
  .addOption(
    new Option('--type <type>', 'type of policy; default: guessed from its principals and actions').choices(
      Object.keys(kinds),
    ),
  );

function lint(): number {
  const [file = '-'] = program.args;
  const { type } = program.opts<{ type?: PolicyKind }>();
  const findings = lintPolicy(readFileSync(file === '-' ? 0 : file, 'utf8'), type);
  for (const { severity, message } of findings) process.stdout.write(`${severity}: ${message}\n`);
  return findings.some(({ severity }) => severity === 'error') ? exitCodes.failed : exitCodes.done;
}

await runProgram(program, lint, exitCodes.usage);
