// Programs that speak AWS's API, as Debian has them.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { TestDaemon } from './daemon.js';

export const aws = '/usr/bin/aws';
export const python = '/usr/bin/python3';

/** False where a program is there; else why the test is skipped, which is also said aloud. */
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

/** The environment of somebody who has sourced the daemon's file. */
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
