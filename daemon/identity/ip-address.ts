import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** An IP address. */
export type IpAddress = ipaddr.IPv4 | ipaddr.IPv6;

/**
 * Parses an IP address strictly. ipaddr.js alone also accepts octal, hexadecimal and shortened IPv4 addresses, and parses the
 * IPv6 address `::192.0.2.7` as an IPv4 address.
 * @param text without a zone (`%eth0`)
 * @returns an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2) as IPv4; undefined if the text is not an address
 */
export function parseIpAddress(text: string): IpAddress | undefined {
  if (isIP(text) === 0 || text.includes('%')) return undefined;
  return ipaddr.process(text.replace(/^::(?=[0-9.]+$)/, '0::'));
}
