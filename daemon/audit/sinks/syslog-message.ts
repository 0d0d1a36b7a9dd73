// Audit records as syslog messages (RFC 5424) in octet-counted frames, those of syslog over TLS (RFC 5425) and TCP (RFC 6587).
import { isAscii } from 'node:buffer';
import { hostname } from 'node:os';
import { memberOf, timePattern } from '../members.js';
import type { StreamFormat } from './stream-delivery.js';

/** Settings of all messages of a sink. */
export interface MessageSettings {
  /** Numerical code, 0 to 23, RFC 5424, section 6.2.1. */
  readonly facility: number;
  /** APP-NAME, at most 48 characters. */
  readonly appName: string;
  /** HOSTNAME, at most 255 characters; the machine's own if not given. */
  readonly hostname?: string | undefined;
  /** Private enterprise number in the name of the structured data, RFC 5424, section 7.2.2. */
  readonly enterpriseNumber: number;
}

/** Severity (RFC 5424, section 6.2.1) of all messages. */
const informational = 6;

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/** The format of a stream of syslog messages. */
export function syslogFormat(settings: MessageSettings): StreamFormat {
  const framer = new Framer(settings);
  const frame = (line: Buffer, sequence: number) => framer.frame(line, sequence);
  return { preface: Buffer.alloc(0), frame, isSilent: false };
}

/** Makes frames from records: `MSG-LEN SP SYSLOG-MSG` (RFC 5425, section 4.3). */
class Framer {
  readonly #start: string;
  readonly #host: string;
  readonly #structured: string;

  constructor({ facility, appName, hostname: host, enterpriseNumber }: MessageSettings) {
    this.#start = `<${facility * 8 + informational}>1 `;
    this.#host = `${printable(host ?? hostname(), 255)} ${printable(appName, 48)} ${process.pid}`;
    this.#structured = `[keyhold@${enterpriseNumber} sequence="`;
  }

  /**
   * Makes a frame.
   * @param line a record without its line feed, which becomes MSG byte by byte, so that its hash can be checked after the
   *   receiver. A line that is not ASCII gets the byte order mark of RFC 5424, section 6.4.
   * @returns the parts of the frame, in order
   */
  frame(line: Buffer, sequence: number): Buffer[] {
    const time = memberOf(line, 'eventTime', timePattern);
    const name = memberOf(line, 'eventName', namePattern) ?? memberOf(line, 'eventType', namePattern);
    const head = `${this.#start}${time ?? '-'} ${this.#host} ${name ?? '-'} ${this.#structured}${sequence}"] `;
    const mark = isAscii(line) ? [] : [byteOrderMark];
    const length = head.length + (mark[0]?.length ?? 0) + line.length;
    return [Buffer.from(`${length} ${head}`, 'latin1'), ...mark, line];
  }
}

/** MSGID: printable ASCII, at most 32 characters. */
const namePattern = /^[!-~]{1,32}$/;

function printable(text: string, longest: number): string {
  return text.replace(/[^!-~]/g, '').slice(0, longest) || '-';
}
