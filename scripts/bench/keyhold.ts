// A Keyhold for the benchmark, with its own home, token and daemon.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Client, connect } from '../../client/index.js';
import type { Probed } from './probe.js';

const checkout = fileURLToPath(new URL('../../../', import.meta.url));
/** Flags with which scripts/start starts the daemon. */
const flags = readFileSync(join(checkout, 'scripts/node-flags'), 'utf8').trim().split('\n');
/** Path of a compiled program of the benchmark. @param name path below scripts/bench, without extension */
export const script = (name: string) => join(checkout, 'dist/scripts/bench', `${name}.js`);

/** Arguments with which a Node process answers {@link probe}. */
export const probing = ['--expose-gc', '--import', pathToFileURL(script('probe')).href];

export const transports = ['unix', 'wss'] as const;
export type Transport = (typeof transports)[number];

/** Queries a process that was started with {@link probing}. @param what 'memory': after a garbage collection */
export async function probe(child: ChildProcess, what: 'memory' | 'counts'): Promise<Probed> {
  child.send(what);
  return ((await once(child, 'message')) as [Probed])[0];
}

/** A running daemon with a temporary home. */
export class Keyhold {
  private constructor(
    readonly home: string,
    private daemon: ChildProcess,
  ) {}

  /** Creates a home and starts its daemon. @param profile folder for a CPU profile of the daemon */
  static async start(profile?: string): Promise<Keyhold> {
    const home = mkdtempSync(join(tmpdir(), 'kh-bench-'));
    const env = { ...process.env, KEYHOLD_HOME: home, KEYHOLD_PORT: '0' };
    execFileSync(process.execPath, [join(checkout, 'dist/daemon/admin/init.js'), '--make-token'], { env });
    return new Keyhold(home, await launch(home, profile));
  }

  /**
   * Restarts the daemon.
   * @param profile folder for a CPU profile of the daemon
   * @returns milliseconds from the start to the first answer
   */
  async restart(profile?: string): Promise<number> {
    await this.#end();
    const before = performance.now();
    this.daemon = await launch(this.home, profile);
    const client = await this.connect();
    await client.generateRandom({ numberOfBytes: 1 });
    const taken = performance.now() - before;
    await client.close();
    return taken;
  }

  /** Queries the daemon for its own figures. @param what 'memory': after a garbage collection */
  probe(what: 'memory' | 'counts'): Promise<Probed> {
    return probe(this.daemon, what);
  }

  get pid(): number {
    return this.daemon.pid!;
  }

  get workerPids(): number[] {
    return childrenOf(this.pid);
  }

  /** Resident memory in bytes: of the daemon, and of its workers together. */
  memory(): { readonly daemon: number; readonly workers: number } {
    const workers = this.workerPids.reduce((sum, child) => sum + residentBytes(child), 0);
    return { daemon: residentBytes(this.pid), workers };
  }

  /** CPU time so far in seconds: of the daemon with its threads, and of its workers together. */
  cpu(): { readonly daemon: number; readonly workers: number } {
    const workers = this.workerPids.reduce((sum, child) => sum + cpuSeconds(child), 0);
    return { daemon: cpuSeconds(this.pid), workers };
  }

  /** Environment of programs that use the home and its token. */
  get env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      KEYHOLD_HOME: this.home,
      SOFTHSM2_CONF: join(this.home, 'tokens/softhsm2.conf'),
    };
  }

  /** Access key of the account root. */
  get credentials(): { accessKeyId: string; secretAccessKey: string } {
    const text = readFileSync(join(this.home, 'credentials'), 'utf8');
    const value = (name: string) => new RegExp(`${name} = (\\S+)`).exec(text)?.[1] ?? '';
    return { accessKeyId: value('aws_access_key_id'), secretAccessKey: value('aws_secret_access_key') };
  }

  /** URL of the AWS endpoint. */
  get awsUrl(): URL {
    const text = readFileSync(join(this.home, 'env'), 'utf8');
    return new URL(/AWS_ENDPOINT_URL_KMS=(\S+)/.exec(text)?.[1] ?? '');
  }

  /** URL of the unix socket. */
  get url(): string {
    return `unix:${join(this.home, 'keyhold.sock')}`;
  }

  /** The URL for a transport, and the CA that a client has to trust. */
  endpoint(over: Transport): { readonly url: string; readonly ca?: Buffer } {
    if (over === 'unix') return { url: this.url };
    return { url: `wss://${this.awsUrl.host}/`, ca: readFileSync(join(this.home, 'tls/ca.pem')) };
  }

  /** Connects a client as the account root. */
  connect(over: Transport = 'unix'): Promise<Client> {
    return connect({ ...this.endpoint(over), credentials: this.credentials });
  }

  /** Stops the daemon and deletes its home. */
  async stop(): Promise<void> {
    await this.#end();
    rmSync(this.home, { recursive: true, force: true });
  }

  async #end(): Promise<void> {
    this.daemon.kill('SIGTERM');
    await once(this.daemon, 'close');
  }
}

async function launch(home: string, profile?: string): Promise<ChildProcess> {
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const args = [...flags, ...probing, ...profiling, join(checkout, 'dist/daemon/main.js')];
  const daemon = spawn(process.execPath, args, {
    env: { ...process.env, KEYHOLD_HOME: home, KEYHOLD_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  let printed = '';
  while (!/^ready /m.test(printed)) printed += String((await once(daemon.stdout!, 'data'))[0]);
  return daemon;
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
}

/** User and system time of a process in seconds: fields 14 and 15 of /proc/PID/stat, in hundredths of a second (proc(5)). */
export function cpuSeconds(pid: number): number {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
    .slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}

/** Proportional set size of a process in bytes: resident memory, with shared pages divided among their users. */
export function proportionalBytes(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) * 1024;
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}
