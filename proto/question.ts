// Asks a person at the terminal.
import { createInterface } from 'node:readline/promises';

/** Whether there is a person to ask: standard input and standard error are terminals. */
export function canAsk(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** Asks whether to go on. Only y or yes count as yes; Ctrl-C and the end of input count as no. */
export async function isConfirmed(): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const ended = new AbortController();
  lines.once('SIGINT', () => ended.abort()).once('close', () => ended.abort());
  try {
    const answer = await lines.question('Go on? [y/N] ', { signal: ended.signal });
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    if (!ended.signal.aborted) throw error;
    process.stderr.write('\n');
    return false;
  } finally {
    lines.close();
  }
}
