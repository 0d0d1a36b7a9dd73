// IP addresses and CIDR ranges. Node's BlockList takes 2 µs for a look-up, which a policy of 20 statements cannot afford.
import { isIPv4, isIPv6 } from 'node:net';

/** The 4 or 16 bytes of an address; an IPv6 address that carries an IPv4 one is that one (RFC 4291, section 2.5.5.2). */
function parseAddress(text: string): readonly number[] | undefined {
  if (isIPv4(text)) return text.split('.').map(Number);
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const [before = '', after] = text.split('::');
  const head = groupBytes(before);
  const tail = groupBytes(after ?? '');
  const bytes = [...head, ...Array<number>(16 - head.length - tail.length).fill(0), ...tail];
  const isMapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return isMapped ? bytes.slice(12) : bytes;
}

function groupBytes(groups: string): number[] {
  if (groups === '') return [];
  return groups.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

let lastText: string | undefined;
let lastBytes: readonly number[] | undefined;

/** Every statement asks for the same address, so it is parsed once. */
function bytesOf(text: string): readonly number[] | undefined {
  if (text !== lastText) {
    lastBytes = parseAddress(text);
    lastText = text;
  }
  return lastBytes;
}

export class IpRange {
  private constructor(
    private readonly bytes: readonly number[],
    private readonly prefix: number,
  ) {}

  /** @param text `192.0.2.0/24`, or an address alone. @returns undefined where it is neither */
  static parse(text: string): IpRange | undefined {
    const [, address = '', length] = /^([^/]+)(?:\/([0-9]{1,3}))?$/.exec(text) ?? [];
    const bytes = parseAddress(address);
    if (!bytes) return undefined;
    // The prefix of a range that is written in the IPv4-mapped form counts its 96 bits too.
    const mapped = bytes.length === 4 && address.includes(':') ? 96 : 0;
    const prefix = length === undefined ? bytes.length * 8 : Number(length) - mapped;
    return prefix >= 0 && prefix <= bytes.length * 8 ? new IpRange(bytes, prefix) : undefined;
  }

  /** Whether an address lies in the range; a text that is no address does not. */
  includes(address: string): boolean {
    const bytes = bytesOf(address);
    if (bytes?.length !== this.bytes.length) return false;
    const whole = this.prefix >> 3;
    for (let index = 0; index < whole; index++) if (bytes[index] !== this.bytes[index]) return false;
    const rest = this.prefix & 7;
    return rest === 0 || (bytes[whole]! ^ this.bytes[whole]!) >> (8 - rest) === 0;
  }
}
