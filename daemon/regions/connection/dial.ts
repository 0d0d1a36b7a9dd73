// One attempt to connect to another Region.
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import type { RegionConnectionState } from '../services.js';
import { type PinnedContext, serverNameOf } from './contexts.js';
import { subprotocol, webSocketOptions } from './frames.js';
import { OutboundConnection } from './outbound.js';
import type { RegionTimes } from './times.js';

/** Where and as whom another Region is dialled. */
export interface DialTarget {
  /** `wss://host:port` */
  readonly endpoint: string;
  readonly linkId: string;
  readonly pinned: PinnedContext;
}

/** An attempt that failed. The message is the end of a sentence, without a full stop. */
export class DialError extends Error {
  override readonly name = 'DialError';

  constructor(
    readonly state: Extract<RegionConnectionState, 'REFUSED' | 'UNREACHABLE'>,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Connects to another Region.
 * @param closed called when the connection ends, if it was opened
 * @throws DialError
 */
export function dial(
  { endpoint, linkId, pinned }: DialTarget,
  times: RegionTimes,
  closed: (reason: string) => void,
): Promise<OutboundConnection> {
  const { region, generation, context } = pinned;
  return new Promise((resolve, reject) => {
    let socket: TLSSocket | undefined;
    let isSecure = false;
    const url = new URL(endpoint);
    const createConnection = () => {
      socket = connectTls({
        host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: Number(url.port || 443),
        secureContext: context,
        servername: serverNameOf(linkId, generation),
        ALPNProtocols: ['http/1.1'],
        checkServerIdentity: (_name, { raw }) =>
          raw.equals(pinned.certificate) ? undefined : new Error('another certificate'),
      });
      socket.setNoDelay(true);
      socket.once('secureConnect', () => (isSecure = true));
      return socket;
    };
    const webSocket = new WebSocket(endpoint, [subprotocol], { ...webSocketOptions, createConnection });
    const failed = (error: DialError) => {
      clearTimeout(late);
      reject(error);
    };
    const late = setTimeout(() => {
      failed(new DialError('UNREACHABLE', `${endpoint} did not answer within ${times.handshake / 1000} s`));
      webSocket.terminate();
    }, times.handshake).unref();
    const refused = (error: NodeJS.ErrnoException) => {
      const isWrong = Boolean(socket?.authorizationError);
      failed(isWrong ? wrongCertificate(endpoint) : reasonOf(error, isSecure, endpoint, generation));
    };
    webSocket.on('error', refused);
    webSocket.once('open', () => {
      clearTimeout(late);
      webSocket.off('error', refused);
      resolve(new OutboundConnection(webSocket, region, generation, times, closed));
    });
  });
}

function wrongCertificate(endpoint: string): DialError {
  return new DialError(
    'REFUSED',
    `${endpoint} shows another certificate than the one that was pinned at the link`,
  );
}

function reasonOf(
  error: NodeJS.ErrnoException,
  isSecure: boolean,
  endpoint: string,
  generation: number,
): DialError {
  const code = error.code ?? error.message;
  // With TLS 1.3 the server refuses a certificate after the client has finished its part of the handshake.
  if (isSecure || /^(EPROTO|ERR_SSL)/.test(code))
    return new DialError(
      'REFUSED',
      `${endpoint} does not accept the certificate of this Region (${code}): ` +
        `generation ${generation} of the link is not complete there, or was deleted`,
    );
  return new DialError('UNREACHABLE', `${endpoint} cannot be reached (${code})`);
}
