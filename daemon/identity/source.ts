import ipaddr from 'ipaddr.js';
import { parseIpAddress } from './ip-address.js';

/** The source of clients of the Unix socket, which have no address. */
export const unixSource = 'unix';

/**
 * Returns the source that failed authentications and connections are counted by: an IPv4 address, or the /64 network of an
 * IPv6 address, because whoever has one of its addresses can use all 2^64.
 * @param address `socket.remoteAddress`; undefined for the Unix socket
 * @returns `192.0.2.7`, `2001:db8:0:0::/64`, or {@link unixSource}
 */
export function sourceOf(address: string | undefined): string {
  if (address === undefined) return unixSource;
  if (!address.includes(':')) return address;
  const parsed = parseIpAddress(address.replace(/%.*$/, ''));
  if (!(parsed instanceof ipaddr.IPv6)) return parsed?.toString() ?? address;
  const network = parsed.parts.slice(0, 4).map((group) => group.toString(16));
  return `${network.join(':')}::/64`;
}
