// A Keyhold of the benchmark's own: home, token, daemon.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, connect } from '../../client/index.js';

const checkout = fileURLToPath(new URL('../../../', import.meta.url));
export const script = (name: string) => join(checkout, 'dist/scripts/bench', `${name}.js`);

export class Keyhold {
  private constructor(
    readonly home: string,
    private readonly daemon: ChildProcess,
  ) {}

  /** @param profile folder for a CPU profile of the daemon */
  static async start(profile?: string): Promise<Keyhold> {
    const home = mkdtempSync(join(tmpdir(), 'kh-bench-'));
    const env = { ...process.env, KEYHOLD_HOME: home, KEYHOLD_PORT: '0' };
    execFileSync(join(checkout, 'hsm-config/softhsm2.setup'), [home]);
    execFileSync(process.execPath, [join(checkout, 'dist/daemon/admin/init.js')], { env });
    const args = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
    const daemon = spawn(process.execPath, [...args, join(checkout, 'dist/daemon/main.js')], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    while (!/^ready /m.test(printed)) printed += String((await once(daemon.stdout, 'data'))[0]);
    return new Keyhold(home, daemon);
  }

  get env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      KEYHOLD_HOME: this.home,
      SOFTHSM2_CONF: join(this.home, 'tokens/softhsm2.conf'),
    };
  }

  connect(): Promise<Client> {
    const text = readFileSync(join(this.home, 'credentials'), 'utf8');
    const value = (name: string) => new RegExp(`${name} = (\\S+)`).exec(text)?.[1] ?? '';
    const credentials = {
      accessKeyId: value('aws_access_key_id'),
      secretAccessKey: value('aws_secret_access_key'),
    };
    return connect({ url: `unix:${join(this.home, 'keyhold.sock')}`, credentials });
  }

  async stop(): Promise<void> {
    this.daemon.kill('SIGTERM');
    await once(this.daemon, 'close');
    rmSync(this.home, { recursive: true, force: true });
  }
}
