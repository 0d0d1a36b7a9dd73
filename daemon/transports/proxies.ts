// Reverse proxies that the configuration trusts. Their X-Forwarded-* headers replace what the connection says of the client;
// from anyone else these headers are ignored.
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { headerValue } from '../identity/signatures/sigv4.js';

/** The X-Forwarded-* headers of a trusted proxy. */
export interface Forwarded {
  /** IP address of the client. */
  readonly address: string;
  /** The Host that the client signed; undefined if the proxy did not change it. */
  readonly host: string | undefined;
  /** The prefix that the proxy removed from the path, without a trailing slash. */
  readonly prefix: string;
  /** Whether the client connected without TLS; undefined if the proxy does not say. */
  readonly isPlain: boolean | undefined;
}

/** The trusted proxies of the configuration. */
export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #isEmpty: boolean;

  /** @param ranges IP addresses and CIDR ranges */
  constructor(ranges: readonly string[]) {
    this.#isEmpty = ranges.length === 0;
    for (const range of ranges) {
      const [address = '', bits] = range.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(bits), family);
    }
  }

  /**
   * Reads the X-Forwarded-* headers of a request.
   * @param peer IP address of the connection; undefined on the unix socket
   * @returns undefined if the peer is not a trusted proxy
   */
  forwarded({ rawHeaders }: IncomingMessage, peer: string | undefined): Forwarded | undefined {
    if (this.#isEmpty || peer === undefined || !this.#trusts(plain(peer))) return undefined;
    const last = (name: string) => headerValue(rawHeaders, name).split(',').at(-1)!.trim();
    const host = last('x-forwarded-host');
    const prefix = last('x-forwarded-prefix').replace(/\/+$/, '');
    const proto = last('x-forwarded-proto').toLowerCase();
    return {
      address: this.#client(headerValue(rawHeaders, 'x-forwarded-for'), plain(peer)),
      host: host === '' ? undefined : host,
      prefix: prefix.startsWith('/') ? prefix : '',
      isPlain: proto === '' ? undefined : proto !== 'https',
    };
  }

  /** Finds the client. Each proxy appends its peer, so it is the first untrusted address from the right. */
  #client(header: string, peer: string): string {
    let client = peer;
    for (const text of header.split(',').reverse()) {
      const address = plain(text.trim());
      if (isIP(address) === 0) break;
      client = address;
      if (!this.#trusts(address)) break;
    }
    return client;
  }

  #trusts(address: string): boolean {
    return this.#list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
}

/** Turns an IPv4-mapped IPv6 address into IPv4, and removes brackets. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=[0-9.]+$)/i, '').replace(/^\[(.*)\]$/, '$1');
}
