// Regions in one process: real sockets, TLS and records; private keys are sealed by a token of SoftHSM.
import { createHmac, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { pino } from 'pino';
import type { Test } from 'tap';
import { WebSocket, WebSocketServer } from 'ws';
import { Secrets } from '../../daemon/hsm/secrets.js';
import { toPem } from '../../daemon/identity/certificates/pem.js';
import { RegionConnections } from '../../daemon/regions/connection/connections.js';
import { serverNameOf } from '../../daemon/regions/connection/contexts.js';
import { subprotocol } from '../../daemon/regions/connection/frames.js';
import { type RegionTimes, regionTimes } from '../../daemon/regions/connection/times.js';
import {
  completeGenerations,
  deleteRegionLink,
  findRegionLink,
  type LinkGenerationRecord,
  linkIdOf,
  linkSecretName,
  putRegionLink,
} from '../../daemon/regions/links/link-record.js';
import { makeTlsIdentity, type TlsIdentity } from '../../daemon/regions/links/tls-identity.js';
import type { PeerHandler } from '../../daemon/regions/peer.js';
import { LevelStore } from '../../daemon/store/leveldb/leveldb.js';
import { Records } from '../../daemon/store/records/records.js';
import { connectTo, makeToken, newKey } from '../hsm/token.js';

/** Short times, so that tests are quick. */
export const shortTimes: RegionTimes = { ...regionTimes, firstDelay: 20, longestDelay: 200, retire: 50 };

export const echo: PeerHandler = (from, name, body) => Promise.resolve({ from, name, body });

/** Where a Region is dialled, and the certificate that it shows. */
export interface Shown {
  readonly endpoint: string;
  readonly certificate: Buffer;
}

export async function makeSecrets(t: Test): Promise<Secrets> {
  const { store } = await connectTo(t, makeToken(t));
  return new Secrets(store, { suite: 1, id: await newKey(store) });
}

/** A Region with its records and connections. */
export class Side {
  handler: PeerHandler = echo;
  readonly lines: string[] = [];
  #port = 0;

  private constructor(
    readonly own: string,
    private readonly secrets: Secrets,
    readonly records: Records,
    readonly times: RegionTimes,
    public connections: RegionConnections,
  ) {}

  static async make(t: Test, own: string, secrets: Secrets, times: RegionTimes = shortTimes): Promise<Side> {
    const macKey = randomBytes(32);
    const mac = (message: Buffer) => Promise.resolve(createHmac('sha256', macKey).update(message).digest());
    const level = await LevelStore.create(t.testdir({ [own]: {} }) + `/${own}-store`);
    const records = await Records.load(level, own, mac);
    const side: Side = new Side(own, secrets, records, times, undefined as unknown as RegionConnections);
    side.connections = side.#makeConnections();
    await side.open();
    t.teardown(async () => {
      side.stop();
      await level.close();
    });
    return side;
  }

  #makeConnections(): RegionConnections {
    return new RegionConnections({
      own: this.own,
      enabled: true,
      records: this.records,
      secrets: this.secrets,
      handler: (...args) => this.handler(...args),
      retire: (region, before) =>
        this.records.commit(() => {
          const record = findRegionLink(this.records, region)!;
          const generations = record.generations.filter(({ generation }) => generation >= before);
          return [putRegionLink({ ...record, generations })];
        }),
      log: pino({ level: 'debug' }, { write: (line: string) => this.lines.push(line) }),
      times: this.times,
    });
  }

  /** Listens, on the same port as before. */
  async open(): Promise<void> {
    const { server } = this.connections.listener;
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.connections.start();
  }

  /** Ends everything at once, as a crash does. */
  stop(): void {
    this.connections.close();
    this.connections.terminate();
  }

  async restart(): Promise<void> {
    this.stop();
    this.connections = this.#makeConnections();
    await this.open();
  }

  get port(): number {
    return this.#port;
  }

  get endpoint(): string {
    return `wss://127.0.0.1:${this.#port}`;
  }

  /** Makes this Region's identity for a generation; nothing is stored yet. */
  async prepare(peer: string, generation: number): Promise<LinkGenerationRecord> {
    const { certificate, key } = await makeTlsIdentity({ link: linkIdOf(this.own, peer), generation });
    const sealed = await this.secrets.seal(linkSecretName(peer, generation), key);
    return {
      generation,
      createdAt: Date.now() / 1000,
      certificate: certificate.toString('base64'),
      key: sealed.toString('base64'),
    };
  }

  /** Completes a generation, beside those that the link has. */
  async complete(
    peer: string,
    prepared: LinkGenerationRecord,
    { endpoint, certificate }: Shown,
  ): Promise<void> {
    const record = findRegionLink(this.records, peer);
    const shown = {
      endpoint,
      certificate: certificate.toString('base64'),
      signingKey: Buffer.from(`${peer} ${prepared.generation}`).toString('base64'),
      completedAt: Date.now() / 1000,
    };
    const generations = [...(record?.generations ?? []), { ...prepared, peer: shown }];
    const linkId = linkIdOf(this.own, peer);
    await this.records.commit([
      putRegionLink({ region: peer, linkId, createdAt: prepared.createdAt, generations }),
    ]);
  }

  async unlink(peer: string): Promise<void> {
    await this.records.commit([deleteRegionLink(peer)]);
  }

  generations(peer: string): number[] {
    return completeGenerations(findRegionLink(this.records, peer)).map(({ generation }) => generation);
  }

  /** The messages of its log at level `warn` and above. */
  get warnings(): string[] {
    const lines = this.lines.map((line) => JSON.parse(line) as { level: number; msg: string });
    return lines.filter(({ level }) => level >= 40).map(({ msg }) => msg);
  }
}

/** Links two sides. */
export async function link(one: Side, other: Side, generation = 1): Promise<void> {
  const [a, b] = [await one.prepare(other.own, generation), await other.prepare(one.own, generation)];
  await other.complete(one.own, b, shownBy(one, a));
  await one.complete(other.own, a, shownBy(other, b));
}

export function shownBy(side: Side, { certificate }: LinkGenerationRecord): Shown {
  return { endpoint: side.endpoint, certificate: Buffer.from(certificate, 'base64') };
}

/** A Region that the test plays itself: it sends and answers what it likes. */
export interface Played {
  readonly region: string;
  readonly identity: TlsIdentity;
  /** The certificate of the side that it is linked to. */
  readonly pinned: Buffer;
  readonly serverName: string;
}

/** Links a side to a Region that the test plays. */
export async function play(side: Side, region: string, endpoint = 'wss://127.0.0.1:1'): Promise<Played> {
  const linkId = linkIdOf(side.own, region);
  const identity = await makeTlsIdentity({ link: linkId, generation: 1 });
  const prepared = await side.prepare(region, 1);
  await side.complete(region, prepared, { endpoint, certificate: identity.certificate });
  return {
    region,
    identity,
    pinned: Buffer.from(prepared.certificate, 'base64'),
    serverName: serverNameOf(linkId, 1),
  };
}

/** TLS options of a played Region. */
export function tlsOf({ identity, pinned }: Played) {
  return {
    cert: toPem(identity.certificate, 'CERTIFICATE'),
    key: toPem(identity.key, 'PRIVATE KEY'),
    ca: toPem(pinned, 'CERTIFICATE'),
  };
}

/**
 * Does a TLS handshake with a side.
 * @returns undefined if the connection is accepted, which only an answer shows; else why not
 */
export function knock(
  side: Side,
  options: ConnectionOptions,
  text = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket: TLSSocket = connectTls({
      host: '127.0.0.1',
      port: side.port,
      rejectUnauthorized: false,
      ...options,
    });
    socket.on('secureConnect', () => socket.write(text));
    socket.on('data', (data: Buffer) => (answer += data.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}

/** Connects as a played Region. */
export function dialAs(side: Side, played: Played, protocols: string[] = [subprotocol]): Promise<WebSocket> {
  const tls = { ...tlsOf(played), servername: played.serverName, checkServerIdentity: () => undefined };
  const createConnection = () => connectTls({ host: '127.0.0.1', port: side.port, ...tls });
  const webSocket = new WebSocket(side.endpoint, protocols, { createConnection });
  return new Promise((resolve, reject) => {
    webSocket.once('open', () => resolve(webSocket));
    webSocket.once('error', reject);
  });
}

/** Serves as a played Region. @param serve called for each connection */
export async function serveAs(
  t: Test,
  makePlayed: (endpoint: string) => Promise<Played>,
  serve: (webSocket: WebSocket) => void,
  identity: (played: Played) => Played = (played) => played,
): Promise<{ readonly server: Server; readonly played: Played; connections: number }> {
  const server = createServer({ requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.3' });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const sockets = new WebSocketServer({ server });
  const state = { server, played: undefined as unknown as Played, connections: 0 };
  sockets.on('connection', (webSocket) => {
    state.connections += 1;
    webSocket.on('error', () => undefined);
    t.teardown(() => webSocket.terminate());
    serve(webSocket);
  });
  state.played = await makePlayed(`wss://127.0.0.1:${(server.address() as AddressInfo).port}`);
  server.setSecureContext(tlsOf(identity(state.played)));
  return state;
}
