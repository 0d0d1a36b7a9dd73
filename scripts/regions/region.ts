// One Region of scripts/start-regions: its home, its daemon, and commands to it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const checkout = fileURLToPath(new URL('../../../', import.meta.url));
const cli = join(checkout, 'dist/client/cli/main.js');

/** A link, as `keyhold region list` prints it. */
export interface Link {
  readonly peerRegion: string;
  readonly isLinked: boolean;
  readonly generation: number;
  readonly isConnected: boolean;
}

const link = z
  .object({
    PeerRegion: z.string(),
    Status: z.string(),
    Generation: z.number(),
    Connection: z.string().optional(),
  })
  .transform(({ PeerRegion, Status, Generation, Connection }): Link => {
    const [isLinked, isConnected] = [Status === 'LINKED', Connection === 'CONNECTED'];
    return { peerRegion: PeerRegion, isLinked, generation: Generation, isConnected };
  });
const listed = z.object({ Links: z.array(link).default([]) });

/** A Region on this machine. */
export class Region {
  readonly #daemon: ChildProcess;
  /** Settles when the daemon ends. */
  readonly ended: Promise<unknown>;

  private constructor(
    readonly name: string,
    readonly home: string,
    daemon: ChildProcess,
  ) {
    this.#daemon = daemon;
    this.ended = once(daemon, 'exit');
  }

  /**
   * Makes the home, if it is not there, and starts the daemon by scripts/start.
   * @param port of TLS; 0 for any free one
   */
  static async start(name: string, home: string, port: number): Promise<Region> {
    await prepareHome(name, home);
    const daemon = spawn(join(checkout, 'scripts/start'), [], {
      env: { ...process.env, KEYHOLD_HOME: home, KEYHOLD_PORT: String(port) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return new Region(name, home, daemon);
  }

  /**
   * Waits for the daemon's ready line.
   * @param note gets each line that the daemon prints
   * @throws Error if it ends before
   */
  async ready(note: (line: string) => void): Promise<void> {
    const lines = createInterface({ input: this.#daemon.stdout! });
    const ready = new Promise<void>((resolve) => {
      lines.on('line', (line) => {
        note(line);
        if (line.startsWith('ready ')) resolve();
      });
    });
    const early = this.ended.then(() => {
      throw new Error(`The daemon of ${this.name} ended before it was ready.`);
    });
    early.catch(() => undefined);
    await Promise.race([ready, early]);
  }

  /** Environment of commands to this Region, as its `env` has it. */
  get env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      KEYHOLD_HOME: this.home,
      KEYHOLD_URL: `unix:${join(this.home, 'keyhold.sock')}`,
      AWS_SHARED_CREDENTIALS_FILE: join(this.home, 'credentials'),
      AWS_PROFILE: 'default',
      AWS_REGION: this.name,
    };
  }

  /** The link to another Region. @returns undefined if there is none */
  linkTo(peer: string): Link | undefined {
    const output = execFileSync(process.execPath, [cli, 'region', 'list', '--output', 'json'], {
      env: this.env,
      encoding: 'utf8',
    });
    return listed.parse(JSON.parse(output)).Links.find(({ peerRegion }) => peerRegion === peer);
  }

  /** Starts `keyhold region …`. @param args whose standard input and error are pipes */
  command(...args: string[]): ChildProcess {
    return spawn(process.execPath, [cli, 'region', ...args], {
      env: this.env,
      stdio: ['pipe', 'inherit', 'pipe'],
    });
  }

  /** Stops the daemon, and waits until it has ended. */
  async stop(): Promise<void> {
    this.#daemon.kill('SIGTERM');
    await this.ended;
  }
}

/** Makes a home whose configuration names the Region and a port for the other Regions. scripts/start finishes it. */
async function prepareHome(name: string, home: string): Promise<void> {
  const configuration = join(home, 'keyhold.yaml');
  if (!existsSync(configuration)) {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    const init = join(checkout, 'dist/daemon/admin/init.js');
    execFileSync(process.execPath, [init, '--home', home, '--make-token', '--region', name], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  }
  if (/^regions:/m.test(readFileSync(configuration, 'utf8'))) return;
  // The other Region keeps the address, so the port must stay the same.
  appendFileSync(configuration, `regions:\n  listen: { host: 127.0.0.1, port: ${await freePort()} }\n`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
