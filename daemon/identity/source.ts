/** The source of clients of the unix socket, which have no address. */
export const unixSource = 'unix';

/**
 * Where a client comes from, as it is counted: one IPv4 address, or the /64 network of an IPv6 address, since whoever has
 * one address of it has all 2^64.
 * @param address as `socket.remoteAddress` has it; undefined: the unix socket
 */
export function sourceOf(address: string | undefined): string {
  if (address === undefined) return unixSource;
  const mapped = /^::ffff:([0-9.]+)$/.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - groups.length - after.length;
  const all = [...groups, ...Array.from({ length: zeros }, () => '0'), ...after];
  return `${all.slice(0, 4).join(':')}::/64`;
}
