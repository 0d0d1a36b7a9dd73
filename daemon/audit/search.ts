import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';

/**
 * Whether the log holds an event beyond a sequence. Reads only the files that can hold it, the newest first.
 * @param directory of the audit files
 * @param eventId UUID of the event
 */
export async function hasEvent(directory: string, eventId: string, after: number): Promise<boolean> {
  const files = (await readdir(directory)).filter((name) => /^audit-\d{8}\.jsonl$/.test(name)).sort();
  const wanted = `"eventID":"${eventId}"`;
  for (const file of files.reverse()) {
    let first: number | undefined;
    const lines = createInterface({ input: createReadStream(join(directory, file)), crlfDelay: Infinity });
    for await (const line of lines) {
      first ??= Number(/^\{"sequence":(\d+),/.exec(line)?.[1] ?? 0);
      if (line.includes(wanted)) return true;
    }
    if (first !== undefined && first <= after) return false;
  }
  return false;
}

const keyMade = z.object({
  errorCode: z.undefined().optional(),
  responseElements: z.object({ keyMetadata: z.object({ keyId: z.string() }) }),
});

/**
 * Ids of the keys that were made, by the newest two files of the log.
 * @param directory of the audit files
 */
export async function madeKeys(directory: string): Promise<ReadonlySet<string>> {
  const keyIds = new Set<string>();
  const files = (await readdir(directory)).filter((name) => /^audit-\d{8}\.jsonl$/.test(name)).sort();
  for (const file of files.slice(-2)) {
    const lines = createInterface({ input: createReadStream(join(directory, file)), crlfDelay: Infinity });
    for await (const line of lines) {
      if (!line.includes('"eventName":"CreateKey"')) continue;
      const { data } = keyMade.safeParse(JSON.parse(line));
      if (data) keyIds.add(data.responseElements.keyMetadata.keyId);
    }
  }
  return keyIds;
}
