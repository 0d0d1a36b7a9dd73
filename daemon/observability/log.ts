import { type Logger as PinoLogger, pino } from 'pino';

/** Structured log: `log.info({ field }, 'sentence')`. Secrets are never handed to it; redaction is the second net. */
export type Logger = PinoLogger;

/** Bytes of lines that wait for who reads standard error; past that lines are dropped. */
const maxWaiting = 4 * 1024 * 1024;

/**
 * JSON lines on standard error. They leave through the thread pool, so that a full pipe or a disk that hangs keeps
 * nobody waiting; what waits at the end of the process is written then.
 * @param level the lowest level that is written; `log.level` changes it later
 */
export function createLog(level: string): Logger {
  const redact = ['*.pin', '*.secret', '*.secretAccessKey', '*.plaintext', '*.authorization'];
  const destination = pino.destination({ dest: 2, sync: false, maxLength: maxWaiting });
  // A log that cannot be written, on a full disk for instance, ends nothing.
  destination.on('error', () => undefined);
  return pino({ level, base: undefined, redact, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
