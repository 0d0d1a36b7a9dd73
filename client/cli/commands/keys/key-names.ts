// Names of keys on the command line: those of the API, and shorter forms.
import { shown } from '../../../../proto/text.js';
import type { Client } from '../../../client.js';
import { pagesOf } from '../../pages.js';
import { UsageError } from '../../input/values.js';
import { nearAlias } from '../../meant-alias.js';

/** Characters of a key ID that are shown if there is little room. They are enough to name the key in a command. */
export const shortIdLength = 8;

/** The description of such a name in --help. */
export const keyNameText =
  'the key: ID or the beginning of one, ARN, alias ARN, or alias name with or without alias/';

const id = /^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/;
const beginningOfId = /^(mrk-)?[0-9a-f-]{4,36}$/;

/**
 * Finds a key by name.
 * @param name `alias/app`, `app`, an ARN, an ID, or at least four characters from the beginning of an ID
 * @returns a key ID, an ARN or an alias name, for operations that accept aliases
 * @throws UsageError if no key matches, or more than one
 */
export async function findKey(client: Client, name: string): Promise<string> {
  if (/^(arn:|alias\/)/.test(name) || id.test(name)) return name;
  const names: string[] = [];
  for await (const { aliases = [] } of pagesOf((marker) => client.listAliases({ marker }))) {
    names.push(...aliases.map(({ aliasName = '' }) => aliasName));
    if (names.includes(`alias/${name}`)) return `alias/${name}`;
  }
  const found: string[] = [];
  if (beginningOfId.test(name))
    for await (const { keys = [] } of pagesOf((marker) => client.listKeys({ marker })))
      for (const { keyId } of keys) if (keyId?.startsWith(name)) found.push(keyId);
  if (found.length === 1) return found[0]!;
  const near = process.stderr.isTTY ? nearAlias(name, names) : '';
  throw new UsageError(
    found.length === 0
      ? `There is no key '${shown(name)}': 'keyhold ls' lists the keys.${near}`
      : `${found.length} keys have IDs that begin with '${name}': give more of it.`,
  );
}
