// Lists in pages. A marker is the name of the last item shown, so it holds while items come and go, bound to the list that
// it came from: one of another operation, key or filter is refused.
import { createHash } from 'node:crypto';
import { shapeByName } from '../../../proto/schema/descriptor.js';
import { exceptions } from '../../../proto/errors.js';
import type { AnyOperation } from '../../pipeline/operation.js';

export interface Page<Item> {
  readonly items: Item[];
  readonly truncated: boolean;
  readonly nextMarker: string | undefined;
}

/** Items of a page where a request of IAM does not say it. */
const iamPageLength = 100;

/**
 * One page of an ordered list.
 * @param list gives the items after a name, in the order of their names
 */
export function page<Item>(
  request: { readonly limit?: number; readonly marker?: string },
  defaultLimit: number,
  list: (after: string) => Iterable<Item>,
  nameOf: (item: Item) => string,
): Page<Item> {
  const limit = request.limit ?? defaultLimit;
  const items: Item[] = [];
  for (const item of list(request.marker ?? '')) {
    const last = items[limit - 1];
    if (last !== undefined) return { items, truncated: true, nextMarker: nameOf(last) };
    items.push(item);
  }
  return { items, truncated: false, nextMarker: undefined };
}

/**
 * One page of the users, roles or policies whose path begins with a prefix, as IAM lists them.
 * @param list gives all that come after a name, in the order of their names
 */
export function pageUnderPath<Item extends { readonly record: { readonly path: string } }>(
  request: { readonly pathPrefix?: string; readonly limit?: number; readonly marker?: string },
  list: (after: string) => Iterable<Item>,
  nameOf: (item: Item) => string,
): Page<Item> {
  const { pathPrefix = '/' } = request;
  const under = (after: string) =>
    [...list(after)].filter(({ record }) => record.path.startsWith(pathPrefix));
  return page(request, iamPageLength, under, nameOf);
}

/**
 * An entry of the operation table whose handler sees names where clients see markers; the entry itself where it lists
 * nothing.
 */
export function withMarkers(entry: AnyOperation): AnyOperation {
  if (!shapeByName.get(entry.name)?.request.byName.has('marker')) return entry;
  return {
    ...entry,
    async handle(context) {
      const { request } = context;
      const list = listOf(entry.name, request);
      const marker = request.marker as string | undefined;
      const named = marker === undefined ? request : { ...request, marker: openMarker(list, marker) };
      const outcome = await entry.handle(context.with(named));
      const { nextMarker } = outcome.response as { nextMarker?: string };
      if (nextMarker === undefined) return outcome;
      return { ...outcome, response: { ...outcome.response, nextMarker: makeMarker(list, nextMarker) } };
    },
  };
}

const ofThePage = new Set(['limit', 'marker', 'grantTokens']);

/** What a request lists, whichever page of it. */
function listOf(name: string, request: Readonly<Record<string, unknown>>): string {
  const filter = Object.entries(request).filter(([field]) => !ofThePage.has(field));
  return JSON.stringify([name, ...filter.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

const digestLength = 12;

// Not keyed: a marker that somebody makes up shows nothing that the list from its beginning does not show.
function digestOf(list: string, name: string): Buffer {
  return createHash('sha256').update(`${list}\0${name}`).digest().subarray(0, digestLength);
}

function makeMarker(list: string, name: string): string {
  return Buffer.concat([digestOf(list, name), Buffer.from(name)]).toString('base64url');
}

/** @returns the name. @throws InvalidMarkerException */
function openMarker(list: string, marker: string): string {
  const name = Buffer.from(marker, 'base64url').subarray(digestLength).toString();
  if (makeMarker(list, name) === marker) return name;
  throw new exceptions.InvalidMarkerException('');
}
