// Reverse proxies that the configuration trusts: what they say of a client counts in the place of what the connection says.
// From everybody else the same headers mean nothing.
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { headerValue } from '../identity/signatures/sigv4.js';

/** What a trusted proxy says of a request. */
export interface Forwarded {
  /** IP address of the client. */
  readonly address: string;
  /** As the client has signed it; undefined: as it came. */
  readonly host: string | undefined;
  /** What stood before the path, without a slash at its end. */
  readonly prefix: string;
  /** Whether the client came without TLS; undefined: the proxy does not say. */
  readonly isPlain: boolean | undefined;
}

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
   * What the proxies before a client say of it.
   * @param peer address of the connection; undefined: the unix socket
   * @returns undefined where the peer is no trusted proxy
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

  /** From the right, since each proxy adds whom it sees there: the first that is no trusted proxy is the client. */
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

/** An IPv4 address that is written as an IPv6 one, as IPv4. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=[0-9.]+$)/i, '').replace(/^\[(.*)\]$/, '$1');
}
