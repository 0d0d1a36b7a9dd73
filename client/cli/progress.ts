const barWidth = 30;
const redrawEvery = 100;

export interface Progress {
  readonly show: (bytes: number, total: number | undefined) => void;
  /** Takes the bar away. */
  done(): void;
}

/** A progress bar on standard error, where that is a terminal. */
export function progressBar(verb: string): Progress {
  if (!process.stderr.isTTY) return { show: () => undefined, done: () => undefined };
  let drawnAt = 0;
  const clear = () => process.stderr.write('\r\x1b[K');
  // A failure or Ctrl-C ends the process without done().
  process.once('exit', () => drawnAt > 0 && clear());
  return {
    show(bytes, total) {
      const now = Date.now();
      if (now - drawnAt < redrawEvery && bytes !== total) return;
      drawnAt = now;
      process.stderr.write(`\r\x1b[K${verb} ${total ? bar(bytes / total) : ''} ${size(bytes)}`);
    },
    done() {
      if (drawnAt > 0) clear();
      drawnAt = 0;
    },
  };
}

function bar(fraction: number): string {
  const full = Math.round(Math.min(fraction, 1) * barWidth);
  return `[${'#'.repeat(full)}${' '.repeat(barWidth - full)}] ${Math.floor(fraction * 100)}%`;
}

function size(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
