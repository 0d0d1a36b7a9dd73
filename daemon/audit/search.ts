import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

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

/**
 * Whether the log, in its newest two files, holds the success of an operation on a key.
 * @param directory of the audit files
 */
export async function hasSuccess(directory: string, eventName: string, keyId: string): Promise<boolean> {
  const files = (await readdir(directory)).filter((name) => /^audit-\d{8}\.jsonl$/.test(name)).sort();
  for (const file of files.slice(-2)) {
    const lines = createInterface({ input: createReadStream(join(directory, file)), crlfDelay: Infinity });
    for await (const line of lines) {
      const isAbout = line.includes(`:key/${keyId}"`) && line.includes(`"eventName":"${eventName}"`);
      if (isAbout && !line.includes('"errorCode":')) return true;
    }
  }
  return false;
}
