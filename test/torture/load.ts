import type { Client } from '../../client/index.js';
import type { TestDaemon } from '../support/daemon.js';
import { actions } from './actions.js';
import { Lane, type World } from './lane.js';

const connections = 4;
const lanesOfConnection = 5;
/** Maximum milliseconds between an answer and a lane's next request. */
const longestThought = 12;

/** A mixed load on several connections, from its start until it is stopped. */
export class Load {
  #stopped = false;
  #lanes: Promise<unknown> = Promise.resolve();

  private constructor(private readonly clients: readonly Client[]) {}

  static async start(world: World, daemon: TestDaemon): Promise<Load> {
    // Without retries, so that one request is one record.
    const connected = Array.from({ length: connections }, () => daemon.connect({ maxAttempts: 1 }));
    const load = new Load(await Promise.all(connected));
    const lanes = load.clients.flatMap((client) => {
      return Array.from({ length: lanesOfConnection }, () => load.#run(new Lane(world, client)));
    });
    load.#lanes = Promise.all(lanes);
    return load;
  }

  /** Starts no more requests; those in flight continue. */
  stopAsking(): void {
    this.#stopped = true;
  }

  /** Waits until everything is answered or lost, and closes. */
  async end(): Promise<void> {
    this.stopAsking();
    await this.#lanes;
    await Promise.all(this.clients.map((client) => client.close()));
  }

  async #run(lane: Lane): Promise<void> {
    const { random } = lane.world;
    while (!this.#stopped) {
      await random.weighted(actions).run(lane);
      await new Promise((done) => setTimeout(done, random.between(0, longestThought)));
    }
  }
}
