/** Milliseconds between two checks, and the most that counts between them. */
const step = 250;

/**
 * Like setTimeout, but time for which the process is paused (SIGSTOP, a paused virtual machine) does not count, and input
 * that is available when the time is over is read first.
 * @param milliseconds a multiple of 250
 * @returns a function that cancels the timeout
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
