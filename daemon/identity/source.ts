import ipaddr from 'ipaddr.js';
import { parseIpAddress } from './ip-address.js';

/** The source of clients of the unix socket, which have no address. */
export const unixSource = 'unix';

/**
 * Where a client comes from, as failed authentications and connections are counted: one IPv4 address, or the /64 network of
 * an IPv6 address, since whoever has one address of it has all 2^64.
 * @param address as `socket.remoteAddress` has it; undefined: the unix socket
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
