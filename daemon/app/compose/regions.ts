// The links to other Regions: the port on which they are served, and the connections to them.
import { makeServiceEvent } from '../../audit/event.js';
import { RegionConnections } from '../../regions/connection/connections.js';
import { completeGenerations, findRegionLink, putRegionLink } from '../../regions/links/link-record.js';
import type { PeerHandler, Peers } from '../../regions/peer.js';
import type { RegionServices } from '../../regions/services.js';
import { drained } from '../../transports/in-flight.js';
import { acceptErrorLog, portOf, started } from '../../transports/listener.js';
import type { Journal } from './journal.js';
import type { Keys } from './keys.js';
import type { Settings } from './settings.js';
import type { Storage } from './storage.js';

/** What this part needs from the others. */
export interface RegionParts {
  readonly storage: Storage;
  readonly journal: Journal;
  readonly keys: Keys;
  /** Answers the requests of other Regions. */
  readonly handler: PeerHandler;
  /** Returns how many keys wait for a Region. */
  readonly pendingKeys: (region: string) => number;
}

/** The links to other Regions, as the daemon starts and stops them. */
export interface Regions {
  readonly peers: Peers;
  readonly services: RegionServices;
  /** The port that was opened; undefined: the configuration has none. */
  readonly port: number | undefined;
  /** Warnings for the health report. */
  readonly warnings: readonly string[];
  /** Opens the port and begins to dial. @throws ListenError */
  open(): Promise<void>;
  /** Dials Regions that are away at once. */
  wake(): void;
  /** Accepts and dials no more. */
  close(): void;
  /** Waits for the requests in flight. @param timeout in milliseconds; then all connections are ended */
  drain(timeout: number): Promise<void>;
}

/** Makes the links; nothing listens yet. */
export function makeRegions({ config, log }: Settings, parts: RegionParts): Regions {
  const { storage, journal, keys, handler, pendingKeys } = parts;
  const { records, instance } = storage;
  const own = instance.region;
  const retire = (region: string, before: number) => {
    const details = { region, generationsBefore: before };
    const event = makeServiceEvent('RetireRegionLinkGenerations', instance.account, own, details);
    const changes = () => {
      const record = findRegionLink(records, region);
      // It may have been deleted meanwhile.
      if (completeGenerations(record)[0]?.generation !== before) return [];
      const generations = record!.generations.filter(({ generation }) => generation >= before);
      return [putRegionLink({ ...record!, generations })];
    };
    return journal.recorder.commit({ changes }, event);
  };
  const enabled = config.regions !== undefined;
  const { secrets } = keys;
  const connections = new RegionConnections({ own, enabled, records, secrets, handler, retire, log });
  const { listener } = connections;
  let port: number | undefined;
  const regions = {
    own,
    get endpoint() {
      if (!config.regions || port === undefined) return undefined;
      const { endpoint, listen } = config.regions;
      return endpoint ?? `wss://${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${port}`;
    },
    connectionOf: (region: string) => connections.connectionOf(region),
    pendingKeys,
  };
  return {
    peers: connections,
    services: { regions },
    get port() {
      return port;
    },
    get warnings() {
      return connections.warnings;
    },
    async open() {
      if (!config.regions) return;
      const { host, port: wanted } = config.regions.listen;
      const listen = () => listener.server.listen(wanted, host);
      await started(listener.server, listen, `${host}:${wanted}`, 'regions.listen.port');
      listener.server.on('error', acceptErrorLog(log));
      port = portOf(listener.server);
      connections.start();
    },
    wake: () => connections.wake(),
    close: () => connections.close(),
    async drain(timeout) {
      await drained(() => connections.open, timeout);
      connections.terminate();
    },
  };
}
