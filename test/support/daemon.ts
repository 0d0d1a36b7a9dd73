// A daemon for one test, with its own home, token and port. Everything is real: SoftHSM2, LevelDB, sockets.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Client, connect, type ConnectOptions } from '../../client/index.js';
import { programs } from '../../client/cli/programs.js';
import { checkout } from './paths.js';

const run = promisify(execFile);
const program = (path: string) => join(checkout, 'dist', path);

/** What a home is made with. */
export interface HomeOptions {
  /** Whether the home needs an ID, keys and credentials that no other home has. */
  readonly own?: boolean;
  /** HSM workers that the daemon starts. */
  readonly workers?: number | undefined;
  /** The Region's name; absent: us-east-1. */
  readonly region?: string;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * HSM workers of a daemon: two in tests about workers, or about keys, which each worker must see; one in other tests, because
 * it starts faster; in programs that are no tests, such as the torture, the number in the configuration.
 */
function defaultWorkers(program = process.argv[1] ?? ''): number | undefined {
  if (!program.endsWith('.test.js')) return undefined;
  return /\/(cryptography|failures|grants|import|key-stores|keys|hsm)\//.test(program) ? 2 : 1;
}

/** Copies a home that was never started, and corrects the absolute path in SoftHSM2's configuration. */
function copyHome(from: string, to: string): void {
  cpSync(from, to, { recursive: true });
  const configuration = join(to, 'tokens/softhsm2.conf');
  writeFileSync(configuration, readFileSync(configuration, 'utf8').replaceAll(from, to));
}

/** An initialised home and its daemon. */
export class TestDaemon {
  #process: ChildProcess | undefined;
  /** Output of the current or last daemon. */
  stdout = '';
  stderr = '';

  private constructor(
    readonly home: string,
    readonly region = 'us-east-1',
  ) {}

  /** For a home that the test creates, copies or moves itself. */
  static at(home: string): TestDaemon {
    return new TestDaemon(home);
  }

  /**
   * Creates a home with a token; no daemon runs yet. If KEYHOLD_TEST_TEMPLATE names a home that was initialised and never
   * started, the new home is a copy of it, which saves a run of init. Lines of KEYHOLD_TEST_PROFILE are added to the
   * profile of SoftHSM2, so that a test can be run again with another profile; the template has them too.
   */
  static async initialise({
    own = false,
    workers = defaultWorkers(),
    region,
  }: HomeOptions = {}): Promise<TestDaemon> {
    const daemon = await TestDaemon.#initialiseHome(own, region);
    if (workers === undefined) return daemon;
    const configuration = join(daemon.home, 'keyhold.yaml');
    const text = readFileSync(configuration, 'utf8');
    writeFileSync(
      configuration,
      text.replace(/^hsm:\n(?:  workers: \d+\n)?/m, `hsm:\n  workers: ${workers}\n`),
    );
    return daemon;
  }

  static async #initialiseHome(own: boolean, region?: string): Promise<TestDaemon> {
    const daemon = new TestDaemon(mkdtempSync(join(tmpdir(), 'kh-')), region);
    const { KEYHOLD_TEST_PROFILE: profile, KEYHOLD_TEST_TEMPLATE: template } = process.env;
    if (template !== undefined && !own && region === undefined) {
      copyHome(template, daemon.home);
      return daemon;
    }
    if (profile !== undefined) {
      const softHsm = readFileSync(join(checkout, 'hsm-config/softhsm2.yaml'), 'utf8');
      writeFileSync(join(daemon.home, 'changed.yaml'), `${softHsm}${profile}\n`);
    }
    const choice = profile === undefined ? [] : ['--profile', 'changed.yaml'];
    if (region !== undefined) choice.push('--region', region);
    await run(process.execPath, [program('daemon/admin/init.js'), '--make-token', ...choice], {
      env: daemon.env,
    });
    return daemon;
  }

  /**
   * Creates a home and starts its daemon; both are removed at the end of the test.
   * @param yaml added to the configuration
   * @param options those of `initialise`
   */
  static async start(
    t: { teardown(action: () => unknown): unknown },
    yaml?: string,
    options?: HomeOptions,
  ): Promise<TestDaemon> {
    const daemon = await TestDaemon.initialise(options);
    t.teardown(() => daemon.remove());
    if (yaml !== undefined) daemon.configure(yaml);
    await daemon.start();
    return daemon;
  }

  /** Environment of the daemon, the programs and the CLI. */
  get env(): NodeJS.ProcessEnv {
    const { PATH, HOME, TMPDIR } = process.env;
    return {
      PATH,
      HOME,
      TMPDIR,
      ...movedClock(),
      KEYHOLD_HOME: this.home,
      KEYHOLD_PORT: '0',
      ...this.clientEnv,
    };
  }

  get clientEnv(): NodeJS.ProcessEnv {
    const credentials = join(this.home, 'credentials');
    return { KEYHOLD_URL: this.url, AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_REGION: this.region };
  }

  get url(): string {
    return `unix:${join(this.home, 'keyhold.sock')}`;
  }

  /** `wss://127.0.0.1:<port>/` */
  get wss(): string {
    return /wss:\/\/\S+/.exec(this.stdout)?.[0] ?? '';
  }

  get ca(): Buffer {
    return readFileSync(join(this.home, 'tls/ca.pem'));
  }

  get credentials(): { accessKeyId: string; secretAccessKey: string } {
    const text = readFileSync(join(this.home, 'credentials'), 'utf8');
    const value = (name: string) => new RegExp(`${name} = (\\S+)`).exec(text)?.[1] ?? '';
    return { accessKeyId: value('aws_access_key_id'), secretAccessKey: value('aws_secret_access_key') };
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Starts the daemon and waits for its ready line. @throws Error with its output, if it ends before */
  async start(env: NodeJS.ProcessEnv = {}): Promise<void> {
    this.stdout = '';
    this.stderr = '';
    const child = spawn(process.execPath, [program('daemon/main.js')], {
      env: { ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    child.stderr.on('data', (data: Buffer) => (this.stderr += data.toString()));
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (data: Buffer) => {
        this.stdout += data.toString();
        if (/^ready .*\n/m.test(this.stdout)) resolve();
      });
      child.once('close', (code) => reject(new Error(`the daemon ended with ${code}: ${this.stderr}`)));
    });
  }

  /** Sends a signal and waits until the daemon ends. @returns its exit status, or the signal that ended it */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals | null> {
    const child = this.#process;
    if (child?.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    child.kill(signal);
    await once(child, 'close');
    return child.exitCode ?? child.signalCode;
  }

  /** Stops the daemon and removes its home. */
  async remove(): Promise<void> {
    await this.stop('SIGKILL');
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  connect(options: ConnectOptions = {}): Promise<Client> {
    // Other tests run on the machine too.
    const patience = { timeout: 120_000, connectTimeout: 60_000 };
    const { url, credentials, region } = this;
    return connect({ url, credentials, region, ...patience, ...options });
  }

  /** Runs the CLI. */
  async cli(
    args: readonly string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv; input?: Buffer } = {},
  ): Promise<Finished> {
    return await this.#run(program('client/cli/main.js'), args, options);
  }

  /** Runs an admin program. @param name the words of its command, joined by hyphens, such as `audit-verify`, or its file */
  async admin(name: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
    const file = programs.find(([words]) => words.replace(' ', '-') === name)?.[1] ?? name;
    return await this.#run(program(`daemon/admin/${file}.js`), args, { env });
  }

  async #run(
    path: string,
    args: readonly string[],
    { cwd, env, input }: { cwd?: string; env?: NodeJS.ProcessEnv; input?: Buffer },
  ): Promise<Finished> {
    const child = spawn(process.execPath, [path, ...args], { cwd, env: { ...this.env, ...env } });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    child.stdin.end(input);
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stdout, stderr };
  }

  /** Adds to the configuration, for the next start. @param yaml top-level lines */
  configure(yaml: string): void {
    appendFileSync(join(this.home, 'keyhold.yaml'), `${yaml}\n`);
  }

  /** Reloads the configuration, and waits until the daemon reports it. */
  async reload(): Promise<void> {
    const before = this.stderr.length;
    process.kill(this.pid, 'SIGHUP');
    while (!this.stderr.slice(before).includes('reloaded')) await new Promise((done) => setTimeout(done, 10));
  }

  /** The response of `/healthz` over the unix socket. */
  health(): Promise<{ healthy: boolean; warnings: string[] }> {
    return new Promise((resolve, reject) => {
      const socketPath = join(this.home, 'keyhold.sock');
      const asked = request({ socketPath, path: '/healthz' }, (response) => {
        let body = '';
        response.on('data', (data: Buffer) => (body += data.toString()));
        response.on('end', () => resolve(JSON.parse(body) as { healthy: boolean; warnings: string[] }));
      });
      asked.on('error', reject).end();
    });
  }

  /** Events of the audit log by name. */
  events(eventName: string): Record<string, unknown>[] {
    return this.auditRecords().filter((record) => record.eventName === eventName);
  }

  /** Every record of the audit log. */
  auditRecords(): Record<string, unknown>[] {
    const text = readFileSync(join(this.home, 'audit/audit-00000001.jsonl'), 'utf8');
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

/** If this process runs with a movable clock, so does the daemon. */
function movedClock(): NodeJS.ProcessEnv {
  const names = Object.keys(process.env).filter(
    (name) => name === 'LD_PRELOAD' || name.startsWith('FAKETIME_'),
  );
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}
