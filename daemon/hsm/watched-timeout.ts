/** Milliseconds that count between two looks at most. */
const step = 250;

/**
 * Like setTimeout, but time in which this process stood still (SIGSTOP, a paused virtual machine) does not count, and
 * input that is there when the time is over is read first.
 * @param milliseconds multiple of 250 ms
 * @returns cancels it
 */
export function watchedTimeout(action: () => void, milliseconds: number): () => void {
  let left = milliseconds;
  const timer = setInterval(() => {
    left -= step;
    if (left > 0) return;
    clearInterval(timer);
    immediate = setImmediate(action);
  }, step);
  let immediate: NodeJS.Immediate | undefined;
  return () => {
    clearInterval(timer);
    clearImmediate(immediate);
  };
}
