import { type Logger as PinoLogger, pino } from 'pino';
import { shown } from '../../proto/text.js';
import { Coalescing } from './coalescing.js';
import { StandardError } from './standard-error.js';

/** Structured log: `log.info({ field }, 'sentence')`. Secrets are never passed to it; redaction is a second safeguard. */
export type Logger = PinoLogger;

/** Maximum length of a text in UTF-16 units: an error may contain what a client sent. */
const longestText = 2_048;
/** Maximum length of a stack trace. Its line breaks stay; JSON escapes them. */
const longestStack = 8_192;

/**
 * Creates the log: JSON lines of bounded length on standard error. At most ten lines a minute of one error and a hundred of
 * one warning are written; a line reports the number of the others. So a lasting failure cannot fill a disk.
 * @param level the lowest level that is written; `log.level` changes it later
 */
export function createLog(level: string, coalescing = new Coalescing()): Logger {
  const redact = ['*.pin', '*.secret', '*.secretAccessKey', '*.plaintext', '*.authorization'];
  const log = pino(
    {
      level,
      base: undefined,
      redact,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: (error: Error) => bounded(pino.stdSerializers.err(error)) },
      formatters: { log: (fields) => bounded(fields) },
      hooks: {
        logMethod(args, method, number) {
          const [fields, sentence] = partsOf(args);
          const isFailure = number >= pino.levels.values.warn!;
          if (!isFailure || coalescing.admits(sentence, number)) method.call(this, fields, sentence);
        },
      },
    },
    new StandardError(),
  );
  coalescing.onRepeated((sentence, number, times) => {
    const label = (pino.levels.labels[number] ?? 'error') as pino.Level;
    log[label]({ times, repeated: sentence }, `repeated ${times} times within a minute: ${sentence}`);
  });
  return log;
}

/** Separates fields and message, which pino takes in several forms. The message of an error alone is the error's. */
function partsOf([first, second]: readonly unknown[]): [fields: object, sentence: string] {
  if (typeof first === 'string') return [{}, shown(first, longestText)];
  const fields = first instanceof Error ? { err: first } : ((first ?? {}) as { err?: unknown });
  const { err } = fields;
  const sentence = typeof second === 'string' ? second : err instanceof Error ? err.message : '';
  return [fields, shown(sentence, longestText)];
}

/** A copy whose texts are printable and of bounded length; nested ones are only escaped by JSON. */
function bounded<T extends object>(fields: T): T {
  const entries = Object.entries(fields).map(([name, value]): [string, unknown] => {
    if (typeof value !== 'string') return [name, value];
    return [name, name === 'stack' ? shownStack(value) : shown(value, longestText)];
  });
  return Object.fromEntries(entries) as T;
}

function shownStack(stack: string): string {
  const lines = stack.slice(0, longestStack).split('\n');
  return lines.map((line) => shown(line, longestText)).join('\n');
}
