// Suggests the alias that was meant, for a request that named one that does not exist.
import type { Client } from '../client.js';
import { ServiceError } from '../errors.js';
import { suggestion } from './input/suggest.js';
import { pagesOf } from './pages.js';

/** Most aliases that are compared. */
const mostAliases = 1_000;

/**
 * Finds the alias that was meant, on a terminal alone: a script gets the daemon's message, and makes no second request.
 * @param error what the daemon answered to a request
 * @returns ` Did you mean alias/X?`; '' if the error is another one, no alias is near, or the caller may not list aliases
 */
export async function meantAlias(client: Client, error: ServiceError): Promise<string> {
  const name = /^Alias \S*?:(alias\/\S+) is not found\.$/.exec(error.message)?.[1];
  if (error.code !== 'NotFoundException' || name === undefined || !process.stderr.isTTY) return '';
  const names: string[] = [];
  try {
    for await (const { aliases = [] } of pagesOf((marker) => client.listAliases({ marker, limit: 100 }))) {
      names.push(...aliases.map(({ aliasName = '' }) => aliasName));
      if (names.length >= mostAliases) break;
    }
  } catch {
    return '';
  }
  return nearAlias(name, names);
}

/** @returns ` Did you mean alias/X?`, or '' if no name is near. Both have `alias/`, which does not count as likeness */
export function nearAlias(name: string, names: readonly string[]): string {
  const prefix = /^alias\//;
  const near = suggestion(
    name.replace(prefix, ''),
    names.map((each) => each.replace(prefix, '')),
  );
  return near.replace('mean ', 'mean alias/');
}
