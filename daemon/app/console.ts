// Prints the daemon's messages that are not in its log.
import { isJournal, priorityPrefix } from '../observability/journal.js';
import type { Daemon } from './daemon.js';

const [standardOutput, standardError] = [1, 2];
/** pino's level of errors. */
const errorLevel = 50;

/**
 * Prints that the daemon is ready: on a terminal, commands to try; then one line, `ready …`, for the program that started
 * it. Under the journal the log says the same, so the line is left out.
 */
export function printReady({ ready, welcome }: Pick<Daemon, 'ready' | 'welcome'>): void {
  if (process.stdout.isTTY) console.log(welcome);
  if (!isJournal(standardOutput)) console.log(ready);
}

/** Prints why the daemon ends, or why it did not do what a signal requested. */
export function printError(sentence: string): void {
  const prefix = isJournal(standardError) ? priorityPrefix(errorLevel) : '';
  for (const line of `keyhold: ${sentence}`.split('\n')) console.error(prefix + line);
}
