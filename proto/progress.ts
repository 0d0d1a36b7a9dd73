// Shows the progress of long work on a terminal: the amount done, the rate and the time left.

const barWidth = 20;
/** Milliseconds before the line is first drawn, and between two updates. */
const firstAfter = 1_000;
const redrawEvery = 100;

/** The unit of the amounts. */
export type ProgressUnit = 'bytes' | 'items';

/** A progress line. */
export interface Progress {
  /** Updates the line. @param total the total amount, if it is known */
  readonly show: (done: number, total?: number) => void;
  /** Removes the line until the next update, so that something else can be printed. */
  readonly clear: () => void;
  /** Removes the line. */
  readonly end: () => void;
}

const none: Progress = { show: () => undefined, clear: () => undefined, end: () => undefined };

/** The line on the screen. */
let drawn: Progress | undefined;

/** Removes the progress line that is on the screen, if any, so that an error is printed on a line of its own. */
export function clearProgress(): void {
  drawn?.clear();
}

/**
 * Starts a progress line, which appears after a second of work. Nothing is drawn if the stream is not a terminal.
 * @param verb the name of the work, such as `sealing`
 */
export function startProgress(
  verb: string,
  unit: ProgressUnit,
  stream: NodeJS.WriteStream = process.stderr,
): Progress {
  if (!stream.isTTY) return none;
  const started = performance.now();
  const secondsSince = () => (performance.now() - started) / 1000;
  return startLine(stream, (done, total) =>
    progressLine(verb, unit, { done, total, seconds: secondsSince() }),
  );
}

/** Waits for work whose extent is unknown. After a second a line shows the time since the start. */
export async function whileWaiting<Result>(
  verb: string,
  work: Promise<Result>,
  stream: NodeJS.WriteStream = process.stderr,
): Promise<Result> {
  if (!stream.isTTY) return await work;
  const started = performance.now();
  const line = startLine(stream, () => `${verb}  ${clock((performance.now() - started) / 1000)}`);
  const timer = setInterval(() => line.show(0), firstAfter);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    line.end();
  }
}

function startLine(
  stream: NodeJS.WriteStream,
  textOf: (done: number, total: number | undefined) => string,
): Progress {
  let drawnAt = performance.now() + firstAfter - 2 * redrawEvery;
  const line: Progress = {
    show(done, total) {
      const now = performance.now();
      if (now - drawnAt < redrawEvery) return;
      drawnAt = now;
      drawn = line;
      stream.write(`\r\x1b[K${textOf(done, total).slice(0, (stream.columns || 80) - 1)}`);
    },
    clear() {
      if (drawn === line) stream.write('\r\x1b[K');
      drawn = undefined;
    },
    end() {
      line.clear();
      process.removeListener('exit', line.clear);
    },
  };
  // Ctrl-C may end the process without end().
  process.once('exit', line.clear);
  return line;
}

/**
 * Returns the text of the line.
 * @param seconds time since the work began
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

/** Formats a duration as `m:ss` or `h:mm:ss`. */
function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
