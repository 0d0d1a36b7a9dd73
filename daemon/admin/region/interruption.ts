// Ctrl-C in a program that waits for people.

/** The exit code after Ctrl-C, as that of the command line. */
export const interruptedCode = 130;

/** Ctrl-C, or the end of the input, ended the program. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor() {
    super('Interrupted.');
  }
}

/** Makes a signal that SIGINT and SIGTERM abort with {@link Interrupted}. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  const abort = () => controller.abort(new Interrupted());
  process.once('SIGINT', abort).once('SIGTERM', abort);
  return controller.signal;
}
