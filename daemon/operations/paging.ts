import { exceptions } from '../../proto/errors.js';

export interface Page<Item> {
  readonly items: Item[];
  readonly truncated: boolean;
  readonly nextMarker: string | undefined;
}

/**
 * One page of an ordered list. A marker is the name of the last item shown, so it holds while items come and go.
 * @param list gives the items after a name, in the order of their names
 * @throws InvalidMarkerException
 */
export function page<Item>(
  request: { readonly limit?: number; readonly marker?: string },
  defaultLimit: number,
  list: (after: string) => Iterable<Item>,
  nameOf: (item: Item) => string,
): Page<Item> {
  const limit = request.limit ?? defaultLimit;
  const items: Item[] = [];
  for (const item of list(readMarker(request.marker))) {
    const last = items[limit - 1];
    if (last !== undefined) return { items, truncated: true, nextMarker: writeMarker(nameOf(last)) };
    items.push(item);
  }
  return { items, truncated: false, nextMarker: undefined };
}

function writeMarker(name: string): string {
  return Buffer.from(name).toString('base64url');
}

function readMarker(marker: string | undefined): string {
  if (marker === undefined) return '';
  const name = Buffer.from(marker, 'base64url').toString();
  if (name === '' || writeMarker(name) !== marker) {
    throw new exceptions.InvalidMarkerException('The marker is not one that this operation returned.');
  }
  return name;
}
