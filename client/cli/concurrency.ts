// Many requests over one connection at a time.

/** Requests of one command under way at a time: enough to keep the connection busy, few enough for a fair daemon. */
const width = 32;

/**
 * Works on each item, several at a time.
 * @param done is called after each item with how many are finished
 * @returns the results in the order of the items
 * @throws the first error of any of them
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
