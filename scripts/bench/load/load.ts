// Load drivers: a fixed number of calls in flight, or one call at a time.

/** Sends one request, and resolves when it is answered. */
export type Call = () => Promise<unknown>;

/**
 * Keeps a number of calls in flight on each of several connections for a time.
 * @param calls one for each connection
 * @param inFlight calls in flight on each connection
 * @returns calls per second
 */
export async function throughput(
  calls: readonly Call[],
  inFlight: number,
  milliseconds: number,
): Promise<number> {
  let done = 0;
  const start = performance.now();
  const end = start + milliseconds;
  const lane = async (call: Call) => {
    while (performance.now() < end) {
      await call();
      done += 1;
    }
  };
  await Promise.all(calls.flatMap((call) => Array.from({ length: inFlight }, () => lane(call))));
  return (done * 1000) / (performance.now() - start);
}

/** Like {@link throughput}. @returns calls per second, and the time of each call in microseconds */
export async function timed(
  calls: readonly Call[],
  inFlight: number,
  milliseconds: number,
): Promise<{ readonly rate: number; readonly microseconds: readonly number[] }> {
  const microseconds: number[] = [];
  const timing = calls.map((call) => async () => {
    const before = performance.now();
    await call();
    microseconds.push((performance.now() - before) * 1000);
  });
  return { rate: await throughput(timing, inFlight, milliseconds), microseconds };
}

/** Makes one call after another for a time. @returns the time of each call in microseconds */
export async function latencies(call: Call, milliseconds: number): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + milliseconds;
  for (let before = performance.now(); before < end; before = performance.now()) {
    await call();
    times.push((performance.now() - before) * 1000);
  }
  return times;
}

/** The value below which a share of the values lies. @param share 0 to 1 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** The median of values; NaN if there are none. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}
