// Limits repeated log lines: the first lines of each message are written, further ones are counted.

/** Milliseconds over which lines are counted. */
const period = 60_000;
/** Maximum number of lines of one message in a period. Warnings get more, because they concern many clients. */
const mostErrors = 10;
const mostWarnings = 100;
/** pino's number of the level `error`. */
const errorLevel = 50;
/** Maximum number of distinct messages. They are constant texts, except that some contain names. */
const mostSentences = 1_000;

interface Repeated {
  readonly level: number;
  lines: number;
}

type Report = (sentence: string, level: number, times: number) => void;

/** Counts the lines of each message. */
export class Coalescing {
  readonly #sentences = new Map<string, Repeated>();
  #report: Report = () => undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Sets the callback that, after each minute, gets every sentence with more lines than were written. */
  onRepeated(report: Report): void {
    this.#report = report;
  }

  /** Counts a line and decides whether it is written. @param level pino's number */
  admits(sentence: string, level: number): boolean {
    this.#timer ??= setTimeout(() => this.flush(), period).unref();
    const known = this.#sentences.has(sentence) || this.#sentences.size < mostSentences;
    const name = known ? sentence : 'other sentences';
    const repeated = this.#sentences.get(name) ?? { level, lines: 0 };
    this.#sentences.set(name, repeated);
    repeated.lines += 1;
    return repeated.lines <= limitOf(level);
  }

  /** Reports the counts and resets them. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const counted = [...this.#sentences];
    this.#sentences.clear();
    for (const [sentence, { level, lines }] of counted)
      if (lines > limitOf(level)) this.#report(sentence, level, lines - limitOf(level));
    // The reports are log lines too, but never repetitions.
    this.#sentences.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

function limitOf(level: number): number {
  return level < errorLevel ? mostWarnings : mostErrors;
}
