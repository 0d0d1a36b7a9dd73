// Runs many requests over one connection concurrently.

/** Concurrent requests of one command: enough to keep the connection busy, few enough to leave the daemon to others. */
const width = 32;

/**
 * Calls a function for each item, for several of them concurrently.
 * @param done called after each item with the number of finished items
 * @returns the results in the order of the items
 * @throws the first error of any call
 */
export async function mapConcurrently<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
  done: (finished: number) => void = () => undefined,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  let next = 0;
  let finished = 0;
  const run = async () => {
    for (let at = next++; at < items.length; at = next++) {
      results[at] = await work(items[at]!);
      done(++finished);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, run));
  return results;
}
