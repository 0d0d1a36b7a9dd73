// The connections to all linked Regions. They follow the records of the links.
import type { Secrets } from '../../hsm/secrets.js';
import type { Logger } from '../../observability/log.js';
import type { Records } from '../../store/records/records.js';
import {
  completeGenerations,
  type CompleteGeneration,
  findRegionLink,
  regionLinkPrefix,
  regionLinks,
} from '../links/link-record.js';
import { PeerError, type PeerHandler, type PeerLink, type Peers } from '../peer.js';
import type { RegionConnection } from '../services.js';
import { LinkContexts } from './contexts.js';
import type { DialTarget } from './dial.js';
import { Dialler } from './dialler.js';
import { RegionListener } from './listener.js';
import { type RegionTimes, regionTimes } from './times.js';

/** Milliseconds after which a Region that is away is worth a warning. */
const tolerated = 60_000;

/** What the connections are made of. */
export interface RegionConnectionsDeps {
  /** This Region's name. */
  readonly own: string;
  /** Whether the configuration has a port for other Regions. Without it nobody is dialled. */
  readonly enabled: boolean;
  readonly records: Records;
  readonly secrets: Secrets;
  readonly handler: PeerHandler;
  /** Removes the generations of a link before one that both Regions use now. */
  readonly retire: (region: string, before: number) => Promise<void>;
  readonly log: Logger;
  readonly times?: RegionTimes;
}

/** The connections to all linked Regions. */
export class RegionConnections implements Peers {
  readonly own: string;
  readonly listener: RegionListener;
  readonly #contexts: LinkContexts;
  readonly #diallers = new Map<string, Dialler>();
  readonly #callbacks: ((region: string) => void)[] = [];
  readonly #retiring = new Map<string, NodeJS.Timeout>();
  readonly #times: RegionTimes;
  #isRunning = false;

  constructor(private readonly deps: RegionConnectionsDeps) {
    const { records, secrets, handler, log, own, times = regionTimes } = deps;
    this.own = own;
    this.#times = times;
    this.#contexts = new LinkContexts(records, secrets, log, (region) => this.#diallers.get(region)?.wake());
    this.listener = new RegionListener({
      ...{ contexts: this.#contexts, handler, times, log },
      connected: (region) => {
        log.info({ region, generation: this.listener.generationOf(region) }, 'another Region connected');
        // It is back: the next attempt need not wait.
        this.#diallers.get(region)?.nudge();
        this.#retireLater(region);
      },
    });
    records.observe(regionLinkPrefix, (key) => this.#follow(key.slice(regionLinkPrefix.length)));
  }

  /** Begins to dial, without waiting. */
  start(): void {
    if (!this.deps.enabled) return;
    this.#isRunning = true;
    for (const { region } of regionLinks(this.deps.records)) this.#follow(region);
  }

  /** Dials all Regions that are away at once. */
  wake(): void {
    for (const dialler of this.#diallers.values()) dialler.wake();
  }

  /** Accepts and dials no more, and lets the requests in flight finish. */
  close(): void {
    this.#isRunning = false;
    this.#contexts.close();
    for (const timer of this.#retiring.values()) clearTimeout(timer);
    for (const dialler of this.#diallers.values()) dialler.stop(true);
    this.listener.close();
  }

  /** How many connections are open, in both directions. */
  get open(): number {
    const dialled = [...this.#diallers.values()].filter(({ isConnected }) => isConnected).length;
    return dialled + this.listener.connections;
  }

  /** Ends all connections at once. */
  terminate(): void {
    for (const dialler of this.#diallers.values()) dialler.stop(false);
    this.listener.terminate();
  }

  linked(): readonly string[] {
    const links = [...regionLinks(this.deps.records)];
    return links.filter((record) => completeGenerations(record).length > 0).map(({ region }) => region);
  }

  linkTo(region: string): PeerLink | undefined {
    const [newest] = this.#generations(region);
    const used = this.#diallers.get(region)?.generation ?? newest?.generation;
    return used === undefined ? undefined : (this.linkOf(region, used) ?? this.#peerLink(region, newest));
  }

  linkOf(region: string, generation: number): PeerLink | undefined {
    return this.#peerLink(
      region,
      this.#generations(region).find((each) => each.generation === generation),
    );
  }

  request(region: string, name: string, body: unknown): Promise<unknown> {
    const dialler = this.#diallers.get(region);
    if (dialler) return dialler.request(name, body);
    const isLinked = this.#generations(region).length > 0;
    return Promise.reject(
      isLinked
        ? new PeerError('unreachable', region, `The Region ${region} cannot be reached: ${notConnected}.`)
        : new PeerError('not-linked', region, `This Region is not linked to ${region}.`),
    );
  }

  onConnected(callback: (region: string) => void): void {
    this.#callbacks.push(callback);
  }

  /** The connection to a Region. @returns undefined if it is not dialled */
  connectionOf(region: string): RegionConnection | undefined {
    return this.#diallers.get(region)?.connection;
  }

  /** Warnings for the health report. */
  get warnings(): readonly string[] {
    if (!this.deps.enabled && this.linked().length > 0)
      return [`the Regions ${this.linked().join(', ')} are linked, but not connected: ${notConnected}`];
    return [...this.#diallers.values()]
      .filter(({ awayFor }) => awayFor > tolerated)
      .map(({ region, connection: { problem = 'the connection is being opened' } }) => {
        return `the Region ${region} is away: ${problem}`;
      });
  }

  /** Makes the connections of a Region those of its record. */
  #follow(region: string): void {
    if (!this.#isRunning) return;
    this.#contexts.refresh(region);
    const generations = this.#generations(region);
    this.listener.endStale(region, (generation) =>
      generations.some((each) => each.generation === generation),
    );
    const dialler = this.#diallers.get(region);
    if (generations.length === 0) {
      this.#diallers.delete(region);
      dialler?.stop(false);
    } else if (dialler) {
      dialler.wake();
    } else {
      this.#add(region).wake();
    }
  }

  #add(region: string): Dialler {
    const dialler = new Dialler(region, {
      targets: () => this.#targets(region),
      newest: () => this.#generations(region)[0]?.generation ?? 0,
      connected: () => {
        this.#retireLater(region);
        for (const callback of this.#callbacks) this.#call(callback, region);
      },
      times: this.#times,
      log: this.deps.log,
    });
    this.#diallers.set(region, dialler);
    return dialler;
  }

  #targets(region: string): readonly DialTarget[] {
    const linkId = findRegionLink(this.deps.records, region)?.linkId;
    if (linkId === undefined) return [];
    return this.#generations(region).flatMap(({ generation, peer: { endpoint } }) => {
      const pinned = this.#contexts.of(linkId, generation);
      return pinned ? [{ endpoint, linkId, pinned }] : [];
    });
  }

  #generations(region: string): readonly CompleteGeneration[] {
    return completeGenerations(findRegionLink(this.deps.records, region));
  }

  #peerLink(region: string, found: CompleteGeneration | undefined): PeerLink | undefined {
    const linkId = findRegionLink(this.deps.records, region)?.linkId;
    if (!found || linkId === undefined) return undefined;
    const signingKey = Buffer.from(found.peer.signingKey, 'base64');
    return { region, linkId, generation: found.generation, signingKey };
  }

  #call(callback: (region: string) => void, region: string): void {
    try {
      callback(region);
    } catch (error) {
      this.deps.log.error({ err: error, region }, 'a new connection to another Region was not handled');
    }
  }

  /** The newest generation, if both Regions use it and there are older ones. */
  #retirable(region: string): number | undefined {
    const [newest, older] = this.#generations(region);
    if (!newest || !older) return undefined;
    const { generation } = newest;
    const isUsed =
      this.#diallers.get(region)?.generation === generation &&
      this.listener.generationOf(region) === generation;
    return isUsed ? generation : undefined;
  }

  /** Removes older generations a while after both Regions use the newest, so that requests in flight can still name them. */
  #retireLater(region: string): void {
    if (this.#retirable(region) === undefined) return;
    clearTimeout(this.#retiring.get(region));
    const timer = setTimeout(() => {
      const generation = this.#isRunning ? this.#retirable(region) : undefined;
      if (generation === undefined) return;
      this.deps.retire(region, generation).catch((error: unknown) => {
        this.deps.log.warn({ err: error, region }, 'old generations of a link could not be removed');
        this.#retireLater(region);
      });
    }, this.#times.retire).unref();
    this.#retiring.set(region, timer);
  }
}

const notConnected = "keyhold.yaml has no section 'regions'";
