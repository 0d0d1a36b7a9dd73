// The interface of listeners, and what all of them do for each connection.
import type { RequestListener, Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from '../observability/log.js';
import type { Gate, ListenerKind } from './gate.js';
import { answerMalformed } from './http/malformed.js';
import { idleTimeout } from './http/options.js';
import type { NativeServer } from './native/server.js';

/** Minimum time between two log lines about connections that could not be accepted, in milliseconds. */
const reportInterval = 10_000;

/** An address on which clients are served. */
export interface Listener {
  /** Its name in metrics. */
  readonly kind: ListenerKind | 'metrics';
  /** Opens the address. @throws ListenError */
  open(): Promise<void>;
  /** A description of what is wrong; undefined while clients are answered. */
  readonly problem: string | undefined;
  /** Accepts no more connections, and ends idle ones. */
  close(): void;
}

/** Dependencies of listeners, to which they hand connections, upgrades and requests. */
export interface ListenerDeps {
  readonly native: NativeServer;
  readonly onRequest: RequestListener;
  readonly gate: Gate;
  readonly log: Logger;
  /** Called when a connection could not be accepted. */
  readonly notAccepted: (error: NodeJS.ErrnoException) => void;
}

/** An address that cannot be opened. The message names it and says what to do. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/** Registers each connection of a server with the gate, and sets its idle time-out. */
export function guard(server: Server | TlsServer, kind: ListenerKind, { gate }: ListenerDeps): void {
  server.prependListener('connection', (socket: Socket) => gate.accept(socket, kind));
  server.setTimeout(idleTimeout);
  server.on('clientError', answerMalformed);
}

/** Serves the native protocol on a server, beside HTTP requests. */
export function serveNative(server: Server | TlsServer, { native }: ListenerDeps): void {
  server.on('upgrade', (request, socket, head) => native.upgrade(request, socket as Socket, head));
}

/**
 * Waits until a server listens.
 * @param listen calls the server's listen()
 * @param where the address, for the error message
 * @param setting the setting that chooses the port, for the error message
 * @throws ListenError
 */
export function started(
  server: Server | TlsServer,
  listen: () => void,
  where: string,
  setting = 'KEYHOLD_PORT',
): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (error: NodeJS.ErrnoException) => {
      server.off('listening', listening);
      const { code = error.message } = error;
      const what = (advice[code] ?? '').replace('KEYHOLD_PORT', setting);
      reject(new ListenError(`Cannot listen on ${where} (${code})${what}.`, { cause: error }));
    };
    const listening = () => {
      server.off('error', refused);
      resolve();
    };
    server.once('error', refused);
    server.once('listening', listening);
    listen();
  });
}

/** Returns the port that a server listens on. */
export function portOf(server: Server | TlsServer): number {
  return (server.address() as AddressInfo).port;
}

/** Makes a handler that logs connections that could not be accepted. They stop neither the listener nor the daemon. */
export function acceptErrorLog(log: Logger): (error: NodeJS.ErrnoException) => void {
  let reported = 0;
  return (error) => {
    const now = Date.now();
    if (now - reported < reportInterval) return;
    reported = now;
    const { code = error.message } = error;
    log.error({ code }, `a connection could not be accepted${advice[code] ?? ''}`);
  };
}

const advice: Readonly<Record<string, string>> = {
  EADDRINUSE: ': it is in use; set KEYHOLD_PORT to another one, 0 for any',
  EACCES: ': permission denied; ports below 1024 need the capability CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: ': this machine does not have the address; set listen.host to one that it has',
  EMFILE: ': the limit of open files is reached; raise it (ulimit -n, LimitNOFILE= of systemd)',
  ENFILE: ': the limit of open files of the whole machine is reached; raise it (sysctl fs.file-max)',
  EROFS: ': its file system is read-only; mount it for writing, or set listen.socket to a path elsewhere',
};
