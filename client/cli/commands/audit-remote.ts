// The audit log read through the daemon: the newest records, and those that follow.
import { setTimeout } from 'node:timers/promises';
import type { QueryAuditRequest } from '../../../proto/generated/messages.js';
import type { Client } from '../../client.js';

/** Milliseconds between two requests that ask for new records. */
const askEvery = 2_000;
/** Most records of one request, and of the first one each time. */
const pageLength = 1_000;
const firstPage = 100;
/** Request IDs that are remembered. */
const mostOwn = 1_000;
/** Seconds by which a record may be durable later than the time in it. Records that were shown are left out. */
const slack = 60;

/** Filters of QueryAudit. */
type Filters = Omit<QueryAuditRequest, 'limit' | 'marker'>;

/** Reads the newest records, in the log's order. Pages may be empty: the daemon reads a part of the log for each. */
export async function newest(client: Client, filters: Filters, most: number): Promise<string[]> {
  const found: string[] = [];
  for await (const records of pages(client, filters, most)) {
    found.push(...records);
    if (found.length >= most) break;
  }
  return found.slice(0, most).reverse();
}

/**
 * Reads the newest records, and then those that are appended, until the signal is aborted. Records of the requests that this
 * makes are left out: each of them would be followed by one.
 * @param print called with new records, in the log's order
 */
export async function follow(
  client: Client,
  filters: Filters,
  most: number,
  print: (records: readonly string[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const own = new Set<string>();
  const first: string[] = [];
  // What is shown is known by its sequence number. Without filters the first page says where the log ends.
  let shown = 0;
  let since = new Date(Date.now() - slack * 1000).toISOString();
  const notice = (record: string) => {
    const { sequence, eventTime } = placeOf(record);
    if (sequence <= shown) return;
    shown = sequence;
    const time = Date.parse(eventTime);
    if (!Number.isNaN(time)) since = new Date(time - slack * 1000).toISOString();
  };
  for await (const records of pages(client, filters, most, own)) {
    first.push(...records);
    if (first.length >= most) break;
  }
  for (const record of first) notice(record);
  print(
    first
      .slice(0, most)
      .reverse()
      .filter((record) => !own.has(placeOf(record).requestId)),
  );
  while (!signal.aborted) {
    await setTimeout(askEvery, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const found: string[] = [];
    for await (const records of pages(client, { ...filters, since }, firstPage, own)) {
      const later = records.filter((record) => placeOf(record).sequence > shown);
      found.push(...later);
      if (later.length < records.length) break;
    }
    for (const record of found) notice(record);
    print(found.reverse().filter((record) => !own.has(placeOf(record).requestId)));
  }
}

/** Iterates over the pages of records, the newest first. @param own gets the IDs of the requests */
async function* pages(
  client: Client,
  filters: Filters,
  most: number,
  own?: Set<string>,
): AsyncGenerator<readonly string[]> {
  let marker: string | undefined;
  let left = most;
  do {
    const limit = left > 0 ? Math.min(pageLength, left) : pageLength;
    const answer = await client.queryAudit({ ...filters, limit, marker });
    own?.add(answer.requestId);
    // With filters the records of these requests may never come.
    if (own && own.size > mostOwn) own.delete([...own][0]!);
    yield answer.records ?? [];
    left -= answer.records?.length ?? 0;
    marker = answer.nextMarker;
  } while (marker !== undefined);
}

/** The members of a record by which it is recognised. */
function placeOf(record: string): { sequence: number; eventTime: string; requestId: string } {
  const { sequence, eventTime, requestID } = JSON.parse(record) as Readonly<Record<string, unknown>>;
  return {
    sequence: typeof sequence === 'number' ? sequence : 0,
    eventTime: String(eventTime),
    requestId: String(requestID),
  };
}
