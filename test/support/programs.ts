// Debian's programs that use AWS's API.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { TestDaemon } from './daemon.js';

export const aws = '/usr/bin/aws';
export const python = '/usr/bin/python3';

/** False if a program is installed; otherwise the reason for skipping the test, which is also printed. */
export function absent(program: string, args: string[], name: string, debian: string): string | false {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return false;
  } catch {
    const reason = `${name} is absent: apt-get install ${debian}, or use scripts/test, which does`;
    console.error(`NOT TESTED: ${reason}`);
    return reason;
  }
}

/** The environment of a shell that has sourced the daemon's `env`. */
export function sourced(daemon: TestDaemon): NodeJS.ProcessEnv {
  const text = execFileSync('sh', ['-c', '. "$0"; env -0', join(daemon.home, 'env')], {
    env: { PATH: process.env.PATH, HOME: daemon.home },
  }).toString();
  return Object.fromEntries(
    text
      .split('\0')
      .filter((line) => line !== '')
      .map((line) => line.split(/=(.*)/s).slice(0, 2)),
  ) as NodeJS.ProcessEnv;
}
