// Detects hanging disk calls. Health reports them, and the log has their beginning and end.
import type { Logger } from './log.js';

/** Milliseconds after which a call counts as hanging. */
const patience = 2_000;
/** Milliseconds between two checks. */
const interval = 1_000;

/** Something that waits for a disk. */
export interface Waiting {
  /** Completes `… has not answered for 7 s`. */
  readonly name: string;
  /** When the present call began, by performance.now; undefined: there is none. */
  readonly busySince: () => number | undefined;
}

/** Watches everything that waits for a disk. */
export class HangingDisks {
  readonly #hanging = new Set<Waiting>();

  constructor(
    private readonly watched: readonly Waiting[],
    private readonly log: Logger,
  ) {
    setInterval(() => this.#look(), interval).unref();
  }

  /** For health: a sentence for each call that hangs now. */
  get warnings(): string[] {
    return this.watched.flatMap((waiting) => {
      const duration = durationOf(waiting);
      return duration < patience ? [] : [sentence(waiting, duration)];
    });
  }

  #look(): void {
    for (const waiting of this.watched) {
      const duration = durationOf(waiting);
      if (duration >= patience && !this.#hanging.has(waiting)) {
        this.#hanging.add(waiting);
        this.log.error(sentence(waiting, duration));
      } else if (duration < patience && this.#hanging.delete(waiting)) {
        this.log.info(`${waiting.name} answers again`);
      }
    }
  }
}

function durationOf({ busySince }: Waiting): number {
  return performance.now() - (busySince() ?? Infinity);
}

function sentence({ name }: Waiting, duration: number): string {
  return (
    `${name} has not answered for ${Math.floor(duration / 1000)} s, and everything that must be written is waiting. ` +
    'Check its disk and the log of the kernel.'
  );
}
