// What is killed in a round. A new strike is one entry.
import type { Faults } from '../faults/faults.js';
import type { TestDaemon } from '../support/daemon.js';
import type { Load } from './load.js';
import type { Ledger } from './ledger.js';
import { childrenOf, lives, within } from '../support/processes.js';
import type { Random } from './random.js';

export interface Battlefield {
  readonly daemon: TestDaemon;
  readonly load: Load;
  readonly ledger: Ledger;
  readonly random: Random;
  /** Faults of the PKCS#11 module; they end with the strike. */
  readonly faults: Faults;
  /** Moves the wall clock of this process and of the daemon. */
  passDays(days: number): void;
}

export interface Strike {
  readonly name: string;
  /** Whether the daemon must be started again afterwards. */
  readonly daemonDies: boolean;
  readonly workersDie: boolean;
  /** Whether operations that are safe to repeat may fail because two workers in turn died with them. */
  readonly losesRepeatable: boolean;
  /** Allowed error codes besides those of lost workers. */
  readonly alsoTolerated?: readonly string[];
  run(field: Battlefield): Promise<void>;
}

export const strikes: readonly Strike[] = [
  {
    name: 'the daemon',
    daemonDies: true,
    workersDie: false,
    losesRepeatable: false,
    async run(field) {
      await moment(field);
      await killDaemon(field);
    },
  },
  {
    name: 'one worker',
    daemonDies: false,
    workersDie: true,
    losesRepeatable: false,
    async run({ daemon, ...field }) {
      await moment(field);
      kill(field.random.shuffled(childrenOf(daemon.pid)).slice(0, 1));
      await pause(field.random, 300);
    },
  },
  {
    name: 'the daemon, and again while it starts',
    daemonDies: true,
    workersDie: false,
    losesRepeatable: false,
    async run(field) {
      await moment(field);
      await killDaemon(field);
      const started = field.daemon.start().catch(() => undefined);
      await pause(field.random, 1_000);
      await killDaemon(field);
      await started;
    },
  },
  {
    name: 'the daemon, and days pass',
    daemonDies: true,
    workersDie: false,
    losesRepeatable: false,
    async run(field) {
      await moment(field);
      await killDaemon(field);
      field.passDays(field.random.between(8, 40));
    },
  },
  {
    name: 'all workers',
    daemonDies: false,
    workersDie: true,
    losesRepeatable: true,
    async run({ daemon, ...field }) {
      await moment(field);
      kill(childrenOf(daemon.pid));
      await pause(field.random, 300);
    },
  },
  {
    name: 'the daemon and its workers',
    daemonDies: true,
    workersDie: true,
    losesRepeatable: true,
    async run(field) {
      await moment(field);
      const workers = childrenOf(field.daemon.pid);
      // Either may end first.
      if (field.random.chance(0.5)) {
        kill(workers);
        await pause(field.random, 10);
        await killDaemon(field);
      } else {
        await killDaemon(field);
        kill(workers);
      }
    },
  },
  {
    name: 'workers, again and again',
    daemonDies: false,
    workersDie: true,
    losesRepeatable: true,
    async run({ daemon, ...field }) {
      for (let times = field.random.between(2, 4); times > 0; times--) {
        await moment(field);
        kill(field.random.shuffled(childrenOf(daemon.pid)).slice(0, field.random.between(1, 2)));
      }
    },
  },
];

/** Waits for a random moment; half of the time for one with a change in flight. */
export async function moment({ ledger, random }: Pick<Battlefield, 'ledger' | 'random'>): Promise<void> {
  await new Promise((done) => setTimeout(done, 100));
  await pause(random, 700);
  if (random.chance(0.5)) return;
  await within(1_000, () => ledger.changesInFlight > 0);
  await pause(random, 12);
}

export function pause(random: Random, longest: number): Promise<void> {
  return new Promise((done) => setTimeout(done, random.next() * longest));
}

export function kill(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // The process has ended meanwhile.
    }
  }
}

/** Kills the daemon and waits for its end; its workers may still run, as when a service manager restarts it. */
export async function killDaemon({ daemon, load }: Battlefield): Promise<void> {
  load.stopAsking();
  const { pid } = daemon;
  kill([pid]);
  if (!(await within(5_000, () => !lives(pid)))) throw new Error(`process ${pid} does not die of SIGKILL`);
}
