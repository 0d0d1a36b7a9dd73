// The format of systemd's stdout socket, which sd_journal_stream_fd(3) and systemd-cat(1) write to: seven lines that describe
// the stream, then one line for each entry. It is a stream; the sockets of the native protocol and of /dev/log are datagram
// sockets, which Node.js does not have.
import type { StreamFormat } from './stream-delivery.js';

/** Severity (RFC 5424, section 6.2.1) of all entries. */
const informational = 6;
const lineFeed = Buffer.from('\n');

/** Makes the format. @param identifier SYSLOG_IDENTIFIER of the entries, without control characters */
export function journalFormat(identifier: string): StreamFormat {
  // identifier, unit, priority; whether lines have a priority of their own; whether to forward to syslog, kernel log, console.
  const preface = Buffer.from(`${[identifier, '', informational, 0, 0, 0, 0].join('\n')}\n`);
  // journald closes its own direction when it accepts a connection.
  return { preface, frame: (line) => [line, lineFeed], isSilent: true };
}
