// Linked Regions, each with its own daemon, home and token, for tests about multi-Region keys.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Client } from '../../client/index.js';
import { loadConfig } from '../../daemon/config/load.js';
import { CeremonySide } from '../hsm/link/two-regions.js';
import { TestDaemon } from './daemon.js';

/** The two Regions of most tests. */
export const [here, there] = ['us-east-1', 'eu-central-1'] as const;

/** A Region: its daemon, and a client of it. */
export interface TestRegion {
  readonly name: string;
  readonly daemon: TestDaemon;
  /** A client of the account root; after a restart of the daemon call {@link reconnect}. */
  client: Client;
}

/** Starts a Region that other Regions can reach. @param yaml added to its configuration */
export async function startRegion(t: Test, name: string, yaml = ''): Promise<TestRegion> {
  const daemon = await TestDaemon.start(t, `regions: { listen: { host: 127.0.0.1, port: 0 } }\n${yaml}`, {
    own: true,
    region: name,
    workers: 2,
  });
  return { name, daemon, client: await daemon.connect() };
}

/** Starts a Region's daemon again, with a new client. */
export async function restart(region: TestRegion, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  await region.client.close().catch(() => undefined);
  await region.daemon.stop(signal);
  await region.daemon.start();
  region.client = await region.daemon.connect();
}

/** Links two Regions by the ceremony of their security officers. @returns the fingerprint's offers */
export async function linkRegions(t: Test, one: TestRegion, other: TestRegion): Promise<void> {
  const [a, b] = [await sideOf(t, one, other.name), await sideOf(t, other, one.name)];
  await b.side.accept(a.side.offer, await a.side.seal(b.side.offer));
  await a.side.accept(b.side.offer, await b.side.seal(a.side.offer));
  await Promise.all([a.side.close(), b.side.close()]);
  await one.client.completeRegionLink({ peerRegion: other.name, ...peerOf(b.side) });
  await other.client.completeRegionLink({ peerRegion: one.name, ...peerOf(a.side) });
}

/** Starts two linked Regions. */
export async function startLinkedRegions(t: Test, yaml?: string): Promise<readonly [TestRegion, TestRegion]> {
  const [one, other] = await Promise.all([startRegion(t, here, yaml), startRegion(t, there, yaml)]);
  await linkRegions(t, one, other);
  return [one, other];
}

async function sideOf(t: Test, { daemon, client, name }: TestRegion, peerRegion: string) {
  const prepared = await client.prepareRegionLink({ peerRegion });
  const { linkId, generation, endpoint } = prepared;
  const file = (path: string) => readFileSync(join(daemon.home, path), 'utf8').trim();
  const token = {
    label: loadConfig(daemon.home).hsm.tokenLabel!,
    env: { SOFTHSM2_CONF: join(daemon.home, 'tokens/softhsm2.conf') },
    pins: { officer: file('tokens/so-pin'), user: file('tokens/pin') },
  };
  const certificate = Buffer.from(prepared.certificate);
  const side = await CeremonySide.open(t, token, { link: linkId, generation }, name, {
    endpoint,
    certificate,
  });
  return { side };
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
