// Paginated lists, with the options of the AWS CLI: --max-items, --page-size, --starting-token, --no-paginate.
import type { OperationShape } from '../../proto/schema/descriptor.js';
import { UsageError } from './input/values.js';

export type Message = Record<string, unknown>;

export interface PageOptions {
  readonly maxItems?: string;
  readonly pageSize?: string;
  readonly startingToken?: string;
  readonly paginate?: boolean;
}

/** The part of a list that was read, and the token with which the next command continues. */
export interface Listed {
  readonly response: Message;
  readonly nextToken?: string;
}

/** Whether an operation returns a paginated list. */
export function hasPages(shape: OperationShape): boolean {
  return shape.request.byName.has('marker');
}

/** A position in a list: the marker of a page, and the number of its items already shown. Botocore's tokens have both. */
interface Place {
  readonly marker: string | undefined;
  readonly skip: number;
}

/**
 * Reads a list to its end, or as far as the options say. With --limit, --marker or --no-paginate it makes one request.
 * @throws UsageError
 */
export async function readPages(
  shape: OperationShape,
  request: Message,
  options: PageOptions,
  invoke: (request: Message) => Promise<Message>,
): Promise<Listed> {
  const { maxItems, pageSize, startingToken, paginate } = options;
  const asked = { '--max-items': maxItems, '--page-size': pageSize, '--starting-token': startingToken };
  const paging = Object.entries(asked).find(([, value]) => value !== undefined)?.[0];
  const single =
    paginate === false
      ? '--no-paginate'
      : ['limit', 'marker'].filter((name) => request[name] !== undefined).map((name) => `--${name}`)[0];
  if (single !== undefined) {
    if (paging !== undefined) throw new UsageError(`${single} and ${paging} cannot be combined.`);
    return { response: await invoke(request) };
  }
  const list = shape.response.fields.find((field) => field.repeated)!;
  const most = maxItems === undefined ? Infinity : count('--max-items', maxItems);
  const limit = pageSize === undefined ? undefined : count('--page-size', pageSize);
  const items: unknown[] = [];
  const start: Place =
    startingToken === undefined ? { marker: undefined, skip: 0 } : openToken(startingToken);
  let { marker, skip } = start;
  const read = (from: string | undefined) =>
    invoke({
      ...request,
      ...(limit && { limit }),
      ...(from !== undefined && { marker: from }),
    }) as Promise<Page>;
  for await (const page of pagesOf(read, marker)) {
    const found = ((page as Message)[list.name] as unknown[] | undefined) ?? [];
    const taken = found.slice(skip, skip + most - items.length);
    items.push(...taken);
    const shown = skip + taken.length;
    if (shown < found.length) return listed(list.name, items, { marker, skip: shown });
    marker = page.nextMarker;
    skip = 0;
    if (marker !== undefined && items.length >= most) return listed(list.name, items, { marker, skip });
  }
  return listed(list.name, items);
}

/** The members of a page besides its items. */
export interface Page {
  /** Absent on the last page. */
  readonly nextMarker?: string;
}

/**
 * Iterates over the pages of a list.
 * @param read requests the page at a marker, or the first page without one
 * @param marker the marker of the page to begin with; the first page if not given
 */
export async function* pagesOf<Answer extends Page>(
  read: (marker: string | undefined) => Promise<Answer>,
  marker?: string,
): AsyncGenerator<Answer, void, undefined> {
  let next = marker;
  do {
    const page = await read(next);
    yield page;
    next = page.nextMarker;
  } while (next !== undefined);
}

function listed(name: string, items: unknown[], rest?: Place): Listed {
  return { response: { [name]: items }, ...(rest && { nextToken: makeToken(rest) }) };
}

function makeToken({ marker = null, skip }: { marker?: string | null | undefined; skip: number }): string {
  const token = { Marker: marker, ...(skip > 0 && { boto_truncate_amount: skip }) };
  return Buffer.from(JSON.stringify(token)).toString('base64');
}

function openToken(token: string): Place {
  try {
    const place = JSON.parse(Buffer.from(token, 'base64').toString()) as Record<string, unknown>;
    const { Marker: marker, boto_truncate_amount: skip = 0 } = place;
    if ((marker === null || typeof marker === 'string') && Number.isSafeInteger(skip) && Number(skip) >= 0)
      return { marker: marker ?? undefined, skip: Number(skip) };
  } catch {
    // The error is thrown below.
  }
  throw new UsageError('--starting-token takes the NextToken of an earlier list.');
}

function count(option: string, text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new UsageError(`${option} takes a whole number from 1 on, not '${text}'.`);
}
