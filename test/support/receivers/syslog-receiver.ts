// A receiver of syslog over TLS (RFC 5425) that keeps all messages.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { createServer, type Server, type TlsOptions, type TLSSocket } from 'node:tls';

/** A self-signed certificate, which is its own CA. */
export interface Certificate {
  /** Path of the PEM. */
  readonly path: string;
  readonly keyPath: string;
  readonly certificate: Buffer;
  readonly key: Buffer;
}

/** Makes a certificate. @param names subject alternative names, in openssl's notation */
export function makeCertificate(folder: string, names = 'IP:127.0.0.1,DNS:logs.example'): Certificate {
  mkdirSync(folder, { recursive: true });
  const [path, keyPath] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyPath];
  const subject = ['-days', '2', '-subj', '/CN=logs', '-addext', `subjectAltName=${names}`, '-out', path];
  execFileSync('openssl', ['req', '-x509', ...key, ...subject], { stdio: 'pipe' });
  return { path, keyPath, certificate: readFileSync(path), key: readFileSync(keyPath) };
}

export interface Received {
  /** Everything before the structured data. */
  readonly header: string;
  readonly sequence: number;
  /** MSG, with its byte order mark if there is one. */
  readonly message: Buffer;
}

const messagePattern =
  /^(<\d{1,3}>1 \S+ \S{1,255} \S{1,48} \S{1,128} \S{1,32}) \[keyhold@32473 sequence="(\d+)"\] /;

export class SyslogReceiver {
  readonly messages: Received[] = [];
  /** Faults in what was received. */
  readonly faults: string[] = [];
  connections = 0;
  /** Number of further messages after which connections are reset. */
  resetAfter = Infinity;
  #stalled = false;
  #server: Server | undefined;
  readonly #sockets = new Map<TLSSocket, Socket>();
  #port = 0;

  constructor(
    private readonly certificate: Certificate,
    private readonly options: TlsOptions = {},
  ) {}

  get port(): number {
    return this.#port;
  }

  /** Listens, on the same port as before. */
  async start(): Promise<void> {
    const { certificate: cert, key } = this.certificate;
    const server = createServer({ cert, key, ...this.options });
    const raw: Socket[] = [];
    server.on('connection', (socket: Socket) => raw.push(socket));
    server.on('secureConnection', (socket) => {
      const own = raw.find(({ remotePort }) => remotePort === socket.remotePort)!;
      this.#take(socket, own);
    });
    server.on('tlsClientError', () => undefined);
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Stops listening and resets all connections. */
  async stop(): Promise<void> {
    const closed = this.#server && new Promise((done) => this.#server?.close(done));
    this.reset();
    await closed;
    this.#server = undefined;
  }

  reset(): void {
    for (const [socket, raw] of this.#sockets) {
      raw.resetAndDestroy();
      socket.destroy();
    }
  }

  /** Pauses or resumes reading. */
  stall(stalled: boolean): void {
    this.#stalled = stalled;
    for (const socket of this.#sockets.keys())
      if (stalled) socket.pause();
      else socket.resume();
  }

  /** The sequence numbers in the order of their first arrival. */
  get sequences(): number[] {
    return [...new Set(this.messages.map(({ sequence }) => sequence))];
  }

  #take(socket: TLSSocket, raw: Socket): void {
    this.connections += 1;
    this.#sockets.set(socket, raw);
    let rest: Buffer = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (data: Buffer) => (rest = this.#parse(Buffer.concat([rest, data]))));
    if (this.#stalled) socket.pause();
  }

  #parse(bytes: Buffer): Buffer {
    for (;;) {
      const space = bytes.indexOf(0x20);
      if (space < 0) return bytes;
      const length = bytes.toString('latin1', 0, space);
      if (!/^[1-9]\d{0,8}$/.test(length)) {
        this.faults.push(`MSG-LEN is ${length}`);
        return Buffer.alloc(0);
      }
      const end = space + 1 + Number(length);
      if (bytes.length < end) return bytes;
      this.#receive(Buffer.from(bytes.subarray(space + 1, end)));
      bytes = bytes.subarray(end);
    }
  }

  #receive(message: Buffer): void {
    const match = messagePattern.exec(message.toString('latin1', 0, 700));
    if (!match) this.faults.push(message.toString('utf8', 0, 200));
    else {
      const [{ length }, header, sequence] = match as unknown as [string, string, string];
      this.messages.push({ header, sequence: Number(sequence), message: message.subarray(length) });
    }
    if (--this.resetAfter === 0) {
      this.resetAfter = Infinity;
      this.reset();
    }
  }
}
