// What the daemon prints beside its log.
import { isJournal, priorityPrefix } from '../observability/journal.js';
import type { Daemon } from './daemon.js';

const [standardOutput, standardError] = [1, 2];
/** The level of errors, as pino has it. */
const errorLevel = 50;

/**
 * Prints that the daemon answers: commands to try on a terminal; one line, `ready …`, elsewhere, for the program that started
 * it. The journal has the same in the log.
 */
export function printReady({ ready, welcome }: Pick<Daemon, 'ready' | 'welcome'>): void {
  if (process.stdout.isTTY) console.log(welcome);
  if (!isJournal(standardOutput)) console.log(ready);
}

/** Prints why the daemon ends, or does not do what a signal asked for. */
export function printError(sentence: string): void {
  const prefix = isJournal(standardError) ? priorityPrefix(errorLevel) : '';
  for (const line of `keyhold: ${sentence}`.split('\n')) console.error(prefix + line);
}
