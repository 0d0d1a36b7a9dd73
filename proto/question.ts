// Asks a person at the terminal.
import { createInterface } from 'node:readline/promises';

/** Whether there is a person to ask: standard input and standard error are terminals. */
export function canAsk(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** Asks whether to go on. Only y or yes count as yes; Ctrl-C and the end of input count as no. */
export async function isConfirmed(): Promise<boolean> {
  const answer = await ask('Go on? [y/N] ');
  if (answer === undefined) process.stderr.write('\n');
  return answer !== undefined && /^y(es)?$/i.test(answer);
}

/**
 * Asks a question on standard error, and reads a line of standard input. What was typed before it is not lost on a terminal
 * alone, so a program that answers waits for the question.
 * @returns the line without surrounding spaces; undefined after Ctrl-C, at the end of the input, or if the signal aborts
 */
export async function ask(question: string, signal?: AbortSignal): Promise<string | undefined> {
  if (signal?.aborted) return undefined;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const ended = new AbortController();
  const abort = () => ended.abort();
  lines.once('SIGINT', abort).once('close', abort);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const answer = await lines.question(question, { signal: ended.signal });
    // On a terminal the line feed was typed.
    if (!process.stdin.isTTY) process.stderr.write('\n');
    return answer.trim();
  } catch (error) {
    if (!ended.signal.aborted) throw error;
    return undefined;
  } finally {
    signal?.removeEventListener('abort', abort);
    lines.close();
  }
}
