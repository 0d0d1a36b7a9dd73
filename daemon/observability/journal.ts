// What systemd's journal takes from standard output and standard error (sd-daemon(3), systemd.exec(5)).
import { fstatSync } from 'node:fs';

/** Levels as pino has them, with the priority from which on they are that of syslog (RFC 5424, section 6.2.1). */
const priorities = [
  [60, 2],
  [50, 3],
  [40, 4],
  [30, 6],
] as const;
const debug = 7;

/**
 * Whether a descriptor is connected to the journal: JOURNAL_STREAM has its device and inode (systemd.exec(5)). Under another
 * service manager, or behind a pipe, a prefix would be part of the line.
 */
export function isJournal(descriptor: number): boolean {
  const stream = process.env.JOURNAL_STREAM;
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** The prefix that gives a line its priority in the journal, `<0>` to `<7>`. @param level as pino has it */
export function priorityPrefix(level: number): string {
  return `<${priorities.find(([least]) => level >= least)?.[1] ?? debug}>`;
}
