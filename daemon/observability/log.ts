import { type Logger as PinoLogger, pino } from 'pino';

/** Structured log: `log.info({ field }, 'sentence')`. Secrets are never handed to it; redaction is the second net. */
export type Logger = PinoLogger;

/** JSON lines on standard error. @param level the lowest level that is written; `log.level` changes it later */
export function createLog(level: string): Logger {
  const redact = ['*.pin', '*.secret', '*.secretAccessKey', '*.plaintext', '*.authorization'];
  return pino(
    { level, base: undefined, redact, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination(2),
  );
}
