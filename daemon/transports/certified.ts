// Client certificates. OpenSSL alone verifies the chain, at the handshake; the code here only reads the leaf. A verdict
// becomes stale after a reload of the authorities or CRLs, and after an hour. The connection is then drained, so that the
// client reconnects and OpenSSL verifies the whole chain against the present configuration.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** Milliseconds after which a chain must be verified again. */
const longestVerdict = 3_600_000;
/** Milliseconds that a drained connection has to finish its requests in flight. */
export const drainTimeout = 10_000;

/** A client's certificate that OpenSSL has verified. */
export interface VerifiedCertificate {
  /** DER. */
  readonly leaf: Buffer;
  /** When the connection was accepted, in milliseconds of the monotonic clock. */
  readonly since: number;
  /** When its certificate was read, in epoch milliseconds. */
  readonly at: number;
}

/** A property of the socket, not a WeakMap entry: node:http2 gives requests a proxy of their socket. */
const verified = Symbol('verified certificate');
type Marked = Socket & { [verified]?: VerifiedCertificate };

/**
 * Reads the certificate of a connection after its handshake.
 * @param since when the connection was accepted, in milliseconds of the monotonic clock. A handshake that began before a
 *   reload was verified against the old configuration.
 * @returns why the connection must be ended: the certificate did not verify, or cannot be read; undefined if it need not
 */
export function takeCertificate(socket: TLSSocket, since: number | undefined): string | undefined {
  try {
    const leaf = socket.getPeerX509Certificate()?.raw;
    if (leaf === undefined) return undefined;
    if (!socket.authorized) return String(socket.authorizationError);
    (socket as Marked)[verified] = { leaf, since: since ?? 0, at: Date.now() };
    return undefined;
  } catch (error) {
    return `it cannot be read: ${error instanceof Error ? error.message : ''}`;
  }
}

/** Returns the verified certificate of a connection. @returns undefined if it has none */
export function certificateOf(socket: Socket): VerifiedCertificate | undefined {
  return (socket as Marked)[verified];
}

/** Decides whether the verdict of a handshake is still fresh. */
export class Verdicts {
  #renewed = 0;

  /** Makes all earlier verdicts stale. Called after a reload of the authorities, CRLs or mapping. */
  renew(): void {
    this.#renewed = performance.now();
  }

  /** Whether a certificate must be verified again. */
  isStale({ since, at }: VerifiedCertificate): boolean {
    return (
      since <= this.#renewed ||
      performance.now() - since > longestVerdict ||
      Math.abs(Date.now() - at) > longestVerdict
    );
  }
}
