// Lists in pages. A marker names the last item shown, so it stays valid while items are added and removed. It is bound to
// its list: a marker from another operation, key or filter is refused.
import { createHash } from 'node:crypto';
import { shapeByName } from '../../../proto/schema/descriptor.js';
import { exceptions } from '../../../proto/errors.js';
import type { AnyOperation } from '../../pipeline/operation.js';

/** One page of a list. */
export interface Page<Item> {
  readonly items: Item[];
  readonly truncated: boolean;
  /** Name of the last item; undefined if no more follow. */
  readonly nextMarker: string | undefined;
}

/** Default number of items on a page of IAM's lists. */
export const iamPageLength = 100;

/**
 * One page of an ordered list.
 * @param list returns the items after a name, ordered by name
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
 * @param list returns all that come after a name, ordered by name
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
 * Wraps an entry of the operation table so that its handler sees names where clients see markers. An operation without
 * markers is returned as it is.
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

/** Identifies the list that a request asks for, whatever the page. */
function listOf(name: string, request: Readonly<Record<string, unknown>>): string {
  const filter = Object.entries(request).filter(([field]) => !ofThePage.has(field));
  return JSON.stringify([name, ...filter.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

const digestLength = 12;

// No secret is needed: a forged marker shows nothing that the list does not show from its beginning.
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
