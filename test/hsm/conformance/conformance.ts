// Runs suite.ts against a module, with the services it needs, on a token made by the set-up in hsm-config.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { checkout } from '../../support/paths.js';

export interface Module {
  readonly profile: string;
  readonly tokenLabel: string;
  /** The profile whose set-up makes the token; default: the profile itself. */
  readonly setUpOf?: string;
  /** Makes the path of a profile that differs from the one in hsm-config. */
  readonly adapt?: (home: string) => string;
  /** Path of the PIN file in the home. */
  readonly pinFile: string;
  /** Files of its Debian packages. */
  readonly needs: readonly string[];
  readonly packages: string;
  /** Whether its set-up uses namespaces, which only root can create. */
  readonly asRoot?: boolean;
  /** Whether `keyhold init` makes the token. */
  readonly byInit?: boolean;
  /** Whether the module creates no session keys. */
  readonly tokenObjects?: boolean;
}

/** Runs the suite, or skips it with a message if the module is not installed. */
export function conforms(module: Module): void {
  const { profile, tokenLabel, pinFile, needs, packages, asRoot, byInit, tokenObjects } = module;
  const { setUpOf = profile, adapt } = module;
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
  const file = (kind: string) => join(checkout, 'hsm-config', `${setUpOf}.${kind}`);
  execFileSync(file('setup'), [home], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (byInit) {
    const env = { ...process.env, KEYHOLD_HOME: home };
    const init = join(checkout, 'dist/daemon/admin/init.js');
    execFileSync(process.execPath, [init, '--make-token'], { env, stdio: 'inherit' });
  }
  const adapted = adapt?.(home) ?? profile;
  const suite = [join(checkout, 'dist/test/hsm/conformance/suite.js'), adapted, home, tokenLabel, pinFile];
  const node = [process.execPath, ...suite, tokenObjects ? 'token' : 'session'];
  const [command = '', ...args] = existsSync(file('run')) ? [file('run'), home, ...node] : node;
  void t.spawn(command, args, { name: profile });
}
