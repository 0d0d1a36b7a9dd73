// Progress of work that takes longer than a moment, on a terminal's standard error: how far, how fast, how much longer.

const barWidth = 20;
/** Milliseconds before the first line, and between two. */
const firstAfter = 1_000;
const redrawEvery = 100;

/** What is counted. */
export type ProgressUnit = 'bytes' | 'items';

export interface Progress {
  /** Tells how much is done, and how much there is where that is known. */
  readonly show: (done: number, total?: number) => void;
  /** Takes the line away. */
  end(): void;
}

/**
 * One line that is drawn again and again once the work has taken a second. Without a terminal nothing is drawn.
 * @param verb what is done, such as `sealing`
 */
export function startProgress(
  verb: string,
  unit: ProgressUnit,
  stream: NodeJS.WriteStream = process.stderr,
): Progress {
  if (!stream.isTTY) return { show: () => undefined, end: () => undefined };
  const started = performance.now();
  let drawnAt = started + firstAfter - redrawEvery;
  let isDrawn = false;
  const clear = () => {
    if (isDrawn) stream.write('\r\x1b[K');
    isDrawn = false;
  };
  // A failure or Ctrl-C ends the process without end(): the error gets a line of its own.
  process.once('exit', clear);
  return {
    show(done, total) {
      const now = performance.now();
      if (now - drawnAt < redrawEvery) return;
      drawnAt = now;
      isDrawn = true;
      const line = progressLine(verb, unit, { done, total, seconds: (now - started) / 1000 });
      stream.write(`\r\x1b[K${line.slice(0, (stream.columns || 80) - 1)}`);
    },
    end() {
      clear();
      process.removeListener('exit', clear);
    },
  };
}

/**
 * The line.
 * @param seconds since the work began
 */
export function progressLine(
  verb: string,
  unit: ProgressUnit,
  { done, total, seconds }: { done: number; total: number | undefined; seconds: number },
): string {
  const text = amounts[unit];
  const rate = seconds > 0 ? done / seconds : 0;
  const parts = [
    verb,
    total ? bar(done / total) : '',
    total ? `${text(done)} of ${text(total)}` : text(done),
  ];
  if (rate > 0) parts.push(`${text(rate)}/s`);
  if (total && rate > 0) parts.push(`${clock((total - done) / rate)} left`);
  return parts.filter((part) => part !== '').join('  ');
}

const amounts: Readonly<Record<ProgressUnit, (amount: number) => string>> = {
  bytes: (bytes) => {
    const [divisor, name] = bytes < 1e6 ? [1e3, 'kB'] : bytes < 1e9 ? [1e6, 'MB'] : [1e9, 'GB'];
    return `${(bytes / divisor).toFixed(1)} ${name}`;
  },
  items: (items) => Math.round(items).toLocaleString('en-US'),
};

function bar(fraction: number): string {
  const part = Math.min(Math.max(fraction, 0), 1);
  const full = Math.round(part * barWidth);
  return `[${'#'.repeat(full)}${' '.repeat(barWidth - full)}] ${Math.floor(part * 100)}%`;
}

/** `m:ss`, or `h:mm:ss`. */
function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
