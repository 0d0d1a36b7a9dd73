// Runs commands on a terminal of their own.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { TestDaemon } from './daemon.js';
import { checkout } from './paths.js';

/**
 * Runs a line of shell with the function `keyhold` on a terminal of 80 columns.
 * @param typed what is typed
 * @returns everything on the terminal, with line feeds alone
 */
export function onTerminal(
  daemon: TestDaemon,
  line: string,
  typed = '',
  env: NodeJS.ProcessEnv = {},
  columns = 80,
): string {
  const cli = join(checkout, 'dist/client/cli/main.js');
  const script = `stty cols ${columns}; keyhold() { '${process.execPath}' '${cli}' "$@"; }; ${line}`;
  return execFileSync('script', ['-qec', script, '/dev/null'], {
    env: { ...daemon.env, TERM: 'xterm', SHELL: '/bin/sh', ...env },
    ...(typed !== '' && { input: typed }),
  })
    .toString()
    .replaceAll('\r\n', '\n');
}
