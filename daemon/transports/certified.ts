// Client certificates as OpenSSL verified them at the handshake. Its verdict on the chain is the only one: here the leaf is
// read, and nothing builds another chain. A verdict ages: after a reload of the authorities or CRLs, and after an hour, the
// connection is drained, so that its client comes again and OpenSSL looks at the whole chain with what counts then.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** Milliseconds after which a chain is verified again. */
const longestVerdict = 3_600_000;
/** Milliseconds that a connection which is drained has for what is in flight. */
export const drainTimeout = 10_000;

/** A client's certificate that OpenSSL has verified. */
export interface VerifiedCertificate {
  /** DER. */
  readonly leaf: Buffer;
  /** When the connection came, by the monotonic clock and by the wall clock, in milliseconds. */
  readonly since: number;
  readonly at: number;
}

/** On the socket itself: node:http2 shows a request its socket through a proxy. */
const verified = Symbol('verified certificate');
type Marked = Socket & { [verified]?: VerifiedCertificate };

/**
 * Reads the certificate of a connection after its handshake.
 * @param since when the connection was accepted, by the monotonic clock: a handshake that began before a reload was judged
 *   by what counted then
 * @returns the reason why the connection must be ended: the certificate did not verify, or cannot be read
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

/** The certificate of a connection. undefined: it has none */
export function certificateOf(socket: Socket): VerifiedCertificate | undefined {
  return (socket as Marked)[verified];
}

/** Until when verdicts of handshakes count. */
export class Verdicts {
  #renewed = 0;

  /** Authorities, CRLs or mapping were read anew: what was verified before is to be verified again. */
  renew(): void {
    this.#renewed = performance.now();
  }

  isStale({ since, at }: VerifiedCertificate): boolean {
    return (
      since <= this.#renewed ||
      performance.now() - since > longestVerdict ||
      Math.abs(Date.now() - at) > longestVerdict
    );
  }
}
