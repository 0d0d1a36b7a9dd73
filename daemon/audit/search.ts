import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { z } from 'zod';
import { archivedEvent, archivedFilesIn } from './archive/archived-files.js';
import { type ChainHead, fileName, fileNumbers } from './chain.js';

/**
 * Searches the log for an event after a sequence number. Reads only the files that can contain it, the newest first.
 * @param directory directory of the audit files
 * @param eventId UUID of the event
 * @param after sequence number of a record before the event
 */
export async function hasEvent(directory: string, eventId: string, after: number): Promise<boolean> {
  const wanted = `"eventID":"${eventId}"`;
  for (const number of fileNumbers(await readdir(directory)).reverse()) {
    let first: number | undefined;
    for await (const line of linesOf(directory, number)) {
      first ??= Number(/^\{"sequence":(\d+),/.exec(line)?.[1] ?? 0);
      if (line.includes(wanted)) return true;
    }
    if (first !== undefined && first <= after) return false;
  }
  return false;
}

/** The event of a successful CreateKey; only that has response elements. */
const keyMade = z.object({
  responseElements: z.object({ keyMetadata: z.object({ keyId: z.string() }) }),
});

/**
 * Reads the IDs of created keys from the newest two files of the log.
 * @param directory directory of the audit files
 */
export async function madeKeys(directory: string): Promise<ReadonlySet<string>> {
  const keyIds = new Set<string>();
  for (const number of fileNumbers(await readdir(directory)).slice(-2)) {
    for await (const line of linesOf(directory, number)) {
      if (!line.includes('"eventName":"CreateKey"')) continue;
      const { data } = keyMade.safeParse(JSON.parse(line));
      if (data) keyIds.add(data.responseElements.keyMetadata.keyId);
    }
  }
  return keyIds;
}

function linesOf(directory: string, number: number): Interface {
  return createInterface({ input: createReadStream(join(directory, fileName(number))), crlfDelay: Infinity });
}

/**
 * Whether a record of the log says that the files up to a record were archived.
 * @param directory of the audit files
 */
export async function isArchivedUpTo(directory: string, { sequence, hash }: ChainHead): Promise<boolean> {
  for (const number of fileNumbers(await readdir(directory)).reverse())
    for await (const line of linesOf(directory, number)) {
      if (!line.includes(archivedEvent)) continue;
      const files = archivedFilesIn(Buffer.from(line));
      if (files.some(({ lastSequence, lastHash }) => lastSequence === sequence && lastHash === hash))
        return true;
    }
  return false;
}
