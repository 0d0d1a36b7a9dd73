// CIDR ranges. A policy of 20 statements may ask for 20: `match` of ipaddr.js takes twice as long as comparing bytes, and
// Node's BlockList 2 µs.
import { parseIpAddress } from '../../identity/ip-address.js';

let lastText: string | undefined;
let lastBytes: readonly number[] | undefined;

/** The 4 or 16 bytes of an address. Every statement asks for the same one, so it is parsed once. */
function bytesOf(text: string): readonly number[] | undefined {
  if (text !== lastText) {
    lastBytes = parseIpAddress(text)?.toByteArray();
    lastText = text;
  }
  return lastBytes;
}

/** The addresses with a common prefix (RFC 4632; RFC 4291, section 2.3). */
export class IpRange {
  private constructor(
    private readonly bytes: readonly number[],
    private readonly prefix: number,
  ) {}

  /** @param text `192.0.2.0/24`, or an address alone. @returns undefined where it is neither */
  static parse(text: string): IpRange | undefined {
    const [, address = '', length] = /^([^/]+)(?:\/([0-9]{1,3}))?$/.exec(text) ?? [];
    const bytes = parseIpAddress(address)?.toByteArray();
    if (!bytes) return undefined;
    // The prefix of a range that is written in the IPv4-mapped form counts its 96 bits too.
    const mapped = bytes.length === 4 && address.includes(':') ? 96 : 0;
    const prefix = length === undefined ? bytes.length * 8 : Number(length) - mapped;
    return prefix >= 0 && prefix <= bytes.length * 8 ? new IpRange(bytes, prefix) : undefined;
  }

  /** Whether an address lies in the range; text that is no address does not. */
  includes(address: string): boolean {
    const bytes = bytesOf(address);
    if (bytes?.length !== this.bytes.length) return false;
    const whole = this.prefix >> 3;
    for (let index = 0; index < whole; index++) if (bytes[index] !== this.bytes[index]) return false;
    const rest = this.prefix & 7;
    return rest === 0 || (bytes[whole]! ^ this.bytes[whole]!) >> (8 - rest) === 0;
  }
}
