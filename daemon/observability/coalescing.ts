// Log lines that repeat: of one sentence some are written, the others are counted.

/** Milliseconds over which lines are counted. */
const period = 60_000;
/** Lines of one sentence that are written in a period: of errors, and of warnings, which are about many clients. */
const mostErrors = 10;
const mostWarnings = 100;
/** The level of errors, as pino has it. */
const errorLevel = 50;
/** Sentences that are told apart: they are texts of the program, but some name what they are about. */
const mostSentences = 1_000;

interface Repeated {
  readonly level: number;
  lines: number;
}

type Report = (sentence: string, level: number, times: number) => void;

export class Coalescing {
  readonly #sentences = new Map<string, Repeated>();
  #report: Report = () => undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Sets who hears, when a minute is over, of each sentence that had more lines than were written. */
  onRepeated(report: Report): void {
    this.#report = report;
  }

  /** Whether a line is to be written. @param level a number as pino has it */
  admits(sentence: string, level: number): boolean {
    this.#timer ??= setTimeout(() => this.flush(), period).unref();
    const known = this.#sentences.has(sentence) || this.#sentences.size < mostSentences;
    const name = known ? sentence : 'other sentences';
    const repeated = this.#sentences.get(name) ?? { level, lines: 0 };
    this.#sentences.set(name, repeated);
    repeated.lines += 1;
    return repeated.lines <= limitOf(level);
  }

  /** Reports what was counted, and begins anew. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const counted = [...this.#sentences];
    this.#sentences.clear();
    for (const [sentence, { level, lines }] of counted)
      if (lines > limitOf(level)) this.#report(sentence, level, lines - limitOf(level));
    // The reports are lines themselves, and no repetition of anything.
    this.#sentences.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

function limitOf(level: number): number {
  return level < errorLevel ? mostWarnings : mostErrors;
}
