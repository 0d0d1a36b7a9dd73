// The rounds: load, strike, restart, check.
import { get } from 'node:http';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { MovableClock } from '../support/clock.js';
import type { Faults } from '../faults/faults.js';
import { makeFaulty } from '../faults/faulty-home.js';
import { TestDaemon } from '../support/daemon.js';
import { actions } from './actions.js';
import { AuditReader, Replay } from './audit.js';
import { auditFolder, checks, type Scene } from './checks.js';
import { Lane, type World } from './lane.js';
import { Ledger } from './ledger.js';
import { Load } from './load.js';
import { cancelling, Model, modifying, stateAfterCancelling } from './model.js';
import { childrenOf, lives, strayWorkers, within } from '../support/processes.js';
import { Random } from './random.js';
import { compareRecords } from './records.js';
import { faultStrikes } from './fault-strikes.js';
import { type Strike, strikes } from './strikes.js';
import { listToken, type ObservedObject, plantForeign } from './token.js';

export interface TortureOptions {
  readonly seed: number;
  /** Wall clock of this process and of the daemon. */
  readonly clock: MovableClock;
  /** Whether another round follows after a number of rounds. */
  goesOn(rounds: number): boolean;
  /** Called with the progress. */
  say(line: string): void;
}

export interface TortureReport {
  readonly rounds: number;
  readonly findings: readonly string[];
  readonly facts: string;
  /** Number of answers by operation and code. */
  readonly totals: ReadonlyMap<string, number>;
  /** The daemon and its home, kept after a fault; the caller removes them. */
  readonly daemon: TestDaemon;
}

const sampleOfRound = 300;
/** Rounds between two inspections of the metadata store, for which the daemon is stopped. */
const lookEvery = 10;
/** Milliseconds until lost workers are replaced; the daemon tries again after 5 s at the latest. On a busy machine. */
const recovery = 40_000;
/** Milliseconds until the workers of a daemon that died are gone. On a busy machine. */
const farewell = 10_000;

/** Number of workers that the daemon starts by default. */
const workers = Math.max(2, availableParallelism());

/** Operations that create token objects, which the daemon never repeats. */
const making = ['createKey', 'rotateKeyOnDemand', 'getParametersForImport', 'importKeyMaterial'];

/** Errors of operations that were lost with a worker. */
const losses = ['KeyUnavailableException', 'DependencyTimeoutException'];

export async function torture(options: TortureOptions): Promise<TortureReport> {
  const daemon = await TestDaemon.initialise();
  daemon.configure('deletionCautionHours: 0');
  const faults = makeFaulty(daemon);
  await plantForeign(daemon.home);
  // Includes the keys that the first start creates for the daemon.
  await daemon.start();
  const run = new Run(options, daemon, faults, await listToken(daemon.home));
  try {
    await run.run();
  } catch (error) {
    const { stack, message } = error as Error;
    run.find(`the run could not go on: ${stack ?? message}\n${daemon.stderr.slice(-2_000)}`);
  }
  await daemon.stop('SIGKILL');
  return run.report();
}

class Run implements World {
  readonly model = new Model();
  readonly ledger = new Ledger();
  readonly random: Random;
  readonly #findings: string[] = [];
  readonly #replay = new Replay();
  readonly #audit: AuditReader;
  interruptedKeys = 0;
  interruptedAnchors = 0;
  #rounds = 0;
  #longestRecovery = 0;
  #days = 0;
  /** The strike in progress. */
  #strike: Strike | undefined;
  #lastStrike = 'nothing killed';
  readonly #found = new Set<string>();

  constructor(
    private readonly options: TortureOptions,
    private readonly daemon: TestDaemon,
    private readonly faults: Faults,
    private readonly original: readonly ObservedObject[],
  ) {
    this.random = new Random(options.seed);
    this.#audit = new AuditReader(auditFolder(daemon));
  }

  async run(): Promise<void> {
    await this.#becomesWhole();
    await this.#makeKeys();
    let deck: Strike[] = [];
    while (this.options.goesOn(this.#rounds)) {
      this.#rounds += 1;
      if (deck.length === 0) deck = this.random.shuffled([...strikes, ...faultStrikes]);
      await this.#round(deck.pop()!);
      if (this.#rounds % lookEvery === 0) {
        await this.#look();
        this.options.say(`round ${this.#rounds}: ${this.#facts()}`);
      }
    }
    this.#strike = undefined;
    await this.#look();
    await this.#enableAll();
    await this.#check(true, Infinity);
  }

  find(what: string): void {
    // A lasting fault is reported once.
    if (this.#found.has(what)) return;
    this.#found.add(what);
    const finding = `round ${this.#rounds} (${this.#lastStrike}): ${what}`;
    this.#findings.push(finding);
    if (this.#findings.length <= 50) this.options.say(`FOUND: ${finding}`);
  }

  keyInterrupted(): void {
    if (this.#strike?.workersDie) this.interruptedKeys += 1;
  }

  tolerates(method: string, code: string): boolean {
    // Wrapping key pairs that were not acknowledged count too.
    if (method === 'getParametersForImport' && code === 'LimitExceededException') return true;
    if (!this.#strike) return false;
    if (code === 'unknown') return this.#strike.daemonDies;
    if (this.#strike.alsoTolerated?.includes(code)) return true;
    if (!losses.includes(code)) return false;
    return this.#strike.losesRepeatable || (making.includes(method) && !this.#strike.daemonDies);
  }

  report(): TortureReport {
    const { totals } = this.ledger;
    return {
      rounds: this.#rounds,
      findings: this.#findings,
      facts: this.#facts(),
      totals,
      daemon: this.daemon,
    };
  }

  async #round(strike: Strike): Promise<void> {
    const { daemon, faults, ledger, random } = this;
    const load = await Load.start(this, daemon);
    this.#strike = strike;
    if (strike.workersDie) this.interruptedAnchors += 1;
    this.#lastStrike = strike.name;
    try {
      await strike.run({ daemon, load, ledger, random, faults, passDays: (days) => this.#passDays(days) });
    } finally {
      // A hanging device also hangs for the workers of a dead daemon.
      const gone = () => strayWorkers(daemon.home, daemon.pid).length === 0;
      if (strike.daemonDies && !(await within(farewell, gone)))
        this.find('workers of a dead daemon are alive');
      faults.clear();
      await Promise.all([load.end(), lives(daemon.pid) ? this.#becomesWhole() : undefined]);
    }
    if (strike.daemonDies) await daemon.start();
    else if (!lives(daemon.pid)) {
      this.find('the daemon died of the death of its workers');
      await daemon.start();
    }
    this.#strike = undefined;
    await this.#becomesWhole();
    await this.#check(strike.daemonDies, sampleOfRound);
  }

  #passDays(days: number): void {
    this.#days += days;
    this.options.clock.move(`+${this.#days}d`);
  }

  async #check(restarted: boolean, sample: number): Promise<void> {
    const { daemon, original } = this;
    const client = await daemon.connect({ maxAttempts: 1 });
    const lane = new Lane(this, client);
    const listed: Scene['listed'] = { keys: new Map(), rotations: new Map(), aliases: new Map() };
    const [audit, replay] = [this.#audit, this.#replay];
    const scene: Scene = { world: this, daemon, lane, audit, replay, original, restarted, sample, listed };
    for (const check of checks) await check.run(scene);
    await client.close();
  }

  /** Stops the daemon cleanly and compares records and objects. */
  async #look(): Promise<void> {
    const status = await this.daemon.stop('SIGTERM');
    if (status !== 0) this.find(`a stop ended with ${status}: ${this.daemon.stderr.slice(-1_000)}`);
    for (const fault of await compareRecords(this.daemon.home)) this.find(fault);
    await this.daemon.start();
    await this.#becomesWhole();
  }

  /** The load of the first round needs some. */
  async #makeKeys(): Promise<void> {
    const client = await this.daemon.connect();
    const lane = new Lane(this, client);
    const createKey = actions.find(({ name }) => name === 'create-key')!;
    for (let count = 0; count < 3; count++) await createKey.run(lane);
    await client.close();
  }

  async #enableAll(): Promise<void> {
    const client = await this.daemon.connect();
    const lane = new Lane(this, client);
    for (const key of this.model.keys.values()) {
      const { keyId } = key;
      const after = stateAfterCancelling(key);
      if (key.state === 'PendingDeletion' && after)
        await lane.changeState(key, after, cancelling, 'cancelKeyDeletion', { keyId });
      if (key.state === 'Disabled') await lane.changeState(key, 'Enabled', modifying, 'enableKey', { keyId });
    }
    await client.close();
  }

  async #becomesWhole(): Promise<void> {
    const isWhole = async () => {
      return childrenOf(this.daemon.pid).length >= workers && (await isHealthy(this.daemon));
    };
    const began = performance.now();
    if (await within(recovery, isWhole))
      this.#longestRecovery = Math.max(this.#longestRecovery, performance.now() - began);
    else this.find(`the daemon is not whole ${recovery} ms after the loss`);
  }

  #facts(): string {
    const { keys, aliases, ciphertexts } = this.model;
    const { starts, intents, events, tornLines } = this.#replay.repairs;
    return (
      `${this.ledger.calls} requests in ${this.#days} days; ${keys.size} keys, ${aliases.size} aliases, ${ciphertexts.length} ciphertexts; ` +
      `${this.interruptedKeys} keys interrupted with their worker; ${starts} starts undid ${intents} keys, completed ${events} audit events, cut off ${tornLines} torn lines; ` +
      `${this.faults.harmed} calls of the module harmed; whole again after ${Math.round(this.#longestRecovery)} ms at most; ${this.#findings.length} findings`
    );
  }
}

function isHealthy({ home }: TestDaemon): Promise<boolean> {
  return new Promise((resolve) => {
    get({ socketPath: join(home, 'keyhold.sock'), path: '/healthz', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => resolve(false));
  });
}
