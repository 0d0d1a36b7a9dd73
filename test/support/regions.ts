// Linked Regions, each with its own daemon, home and token, for tests about multi-Region keys.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Client } from '../../client/index.js';
import { loadConfig } from '../../daemon/config/load.js';
import { CeremonySide } from '../hsm/link/two-regions.js';
import { MovableClock } from './clock.js';
import { TestDaemon } from './daemon.js';
import { freePort } from './free-port.js';

/** The two Regions of most tests. */
export const [here, there] = ['us-east-1', 'eu-central-1'] as const;

/** A Region: its daemon, and a client of it. */
export interface TestRegion {
  readonly name: string;
  readonly daemon: TestDaemon;
  /** Only if it was started with a clock that moves. */
  readonly clock: MovableClock | undefined;
  /** The port for other Regions, the same after a restart. */
  readonly port: number;
  /** A client of the account root; after a restart of the daemon call {@link reconnect}. */
  client: Client;
}

/** What a Region is started with. */
export interface RegionOptions {
  /** Added to its configuration. */
  readonly yaml?: string;
  /** Whether its clock can be moved. */
  readonly movesClock?: boolean;
  /** Called with its home before it starts. */
  readonly prepare?: (daemon: TestDaemon, name: string) => void;
}

/** Starts a Region that other Regions can reach. */
export async function startRegion(
  t: Test,
  name: string,
  { yaml = '', movesClock = false, prepare }: RegionOptions = {},
): Promise<TestRegion> {
  const port = await freePort();
  const daemon = await TestDaemon.initialise({ own: true, region: name, workers: 2 });
  t.teardown(() => daemon.remove());
  daemon.configure(`regions: { listen: { host: 127.0.0.1, port: ${port} } }\n${yaml}`);
  prepare?.(daemon, name);
  const clock = movesClock ? new MovableClock(daemon.home) : undefined;
  await daemon.start(clock?.env);
  return { name, daemon, port, clock, client: await daemon.connect() };
}

/** Starts a Region's daemon again, with a new client. */
export async function restart(region: TestRegion, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  await region.client.close().catch(() => undefined);
  await region.daemon.stop(signal);
  await region.daemon.start(region.clock?.env);
  region.client = await region.daemon.connect();
}

/** The ceremony of two security officers: the keys of a new generation are in both HSMs then. */
export async function holdCeremony(t: Test, one: TestRegion, other: TestRegion) {
  const [a, b] = [await sideOf(t, one, other.name), await sideOf(t, other, one.name)];
  await b.accept(a.offer, await a.seal(b.offer));
  await a.accept(b.offer, await b.seal(a.offer));
  await Promise.all([a.close(), b.close()]);
  return {
    link: a.offer.link,
    /** The request CompleteRegionLink in each Region. */
    inOne: { peerRegion: other.name, ...peerOf(b) },
    inOther: { peerRegion: one.name, ...peerOf(a) },
  };
}

/** Links two Regions by the ceremony of their security officers. */
export async function linkRegions(t: Test, one: TestRegion, other: TestRegion): Promise<void> {
  const { inOne, inOther } = await holdCeremony(t, one, other);
  await one.client.completeRegionLink(inOne);
  await other.client.completeRegionLink(inOther);
}

/** Starts two linked Regions. */
export async function startLinkedRegions(
  t: Test,
  options?: RegionOptions,
): Promise<readonly [TestRegion, TestRegion]> {
  const [one, other] = await Promise.all([startRegion(t, here, options), startRegion(t, there, options)]);
  await linkRegions(t, one, other);
  return [one, other];
}

/** The token of a Region, with its PINs. */
export function tokenOf({ daemon: { home } }: TestRegion) {
  const file = (path: string) => readFileSync(join(home, path), 'utf8').trim();
  return {
    label: loadConfig(home).hsm.tokenLabel!,
    env: { SOFTHSM2_CONF: join(home, 'tokens/softhsm2.conf') },
    pins: { officer: file('tokens/so-pin'), user: file('tokens/pin') },
  };
}

async function sideOf(t: Test, region: TestRegion, peerRegion: string): Promise<CeremonySide> {
  const {
    linkId: link,
    generation,
    endpoint,
    certificate,
  } = await region.client.prepareRegionLink({ peerRegion });
  const shown = { endpoint, certificate: Buffer.from(certificate) };
  return CeremonySide.open(t, tokenOf(region), { link, generation }, region.name, shown);
}

function peerOf({ offer: { generation, endpoint, certificate, signingKey } }: CeremonySide) {
  return { generation, endpoint, certificate, signingKey };
}

/** Waits until something is so. @throws Error after a minute, with what it was at last */
export async function until<T>(read: () => Promise<T>, isSo: (value: T) => boolean): Promise<T> {
  const end = Date.now() + 60_000;
  for (;;) {
    const value = await read();
    if (isSo(value)) return value;
    if (Date.now() > end) throw new Error(`it is still ${JSON.stringify(value)}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
