// Runs conformance-suite against a module, beside what it needs, on a token that the set-up of hsm-config makes.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { checkout } from '../../support/paths.js';

export interface Module {
  readonly profile: string;
  readonly tokenLabel: string;
  /** Of the PIN, in the home. */
  readonly pinFile: string;
  /** Files that its Debian packages bring. */
  readonly needs: readonly string[];
  readonly packages: string;
  /** Whether its set-up uses namespaces, which only root makes. */
  readonly asRoot?: boolean;
  /** The token is made by 'keyhold init'. */
  readonly byInit?: boolean;
  /** The module makes no session keys. */
  readonly tokenObjects?: boolean;
}

/** Skips, and says so, where the module is not installed. */
export function conforms(module: Module): void {
  const { profile, tokenLabel, pinFile, needs, packages, asRoot, byInit, tokenObjects } = module;
  const skip = needs.every((path) => existsSync(path))
    ? asRoot && process.getuid?.() !== 0 && `SKIPPED: ${profile} is set up by root alone`
    : `SKIPPED: ${profile} NOT TESTED, it needs apt-get install ${packages}`;
  if (skip) {
    console.error(skip);
    void t.test(profile, { skip }, () => undefined);
    return;
  }
  const home = mkdtempSync(join(tmpdir(), 'kh-'));
  t.teardown(() => rmSync(home, { recursive: true, force: true }));
  const file = (kind: string) => join(checkout, 'hsm-config', `${profile}.${kind}`);
  execFileSync(file('setup'), [home], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (byInit) {
    const env = { ...process.env, KEYHOLD_HOME: home };
    const init = join(checkout, 'dist/daemon/admin/init.js');
    execFileSync(process.execPath, [init, '--make-token'], { env, stdio: 'inherit' });
  }
  const suite = [join(checkout, 'dist/test/hsm/conformance/suite.js'), profile, home, tokenLabel, pinFile];
  const node = [process.execPath, ...suite, tokenObjects ? 'token' : 'session'];
  const [command = '', ...args] = existsSync(file('run')) ? [file('run'), home, ...node] : node;
  void t.spawn(command, args, { name: profile });
}
