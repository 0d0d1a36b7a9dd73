// Reads the keys for `keyhold ls`.
import type { Json } from '../../../../proto/aws/json.js';
import type { KeyMetadata } from '../../../../proto/generated/messages.js';
import { startProgress } from '../../../../proto/progress.js';
import { shapeByName } from '../../../../proto/schema/descriptor.js';
import type { Client } from '../../../client.js';
import { mapConcurrently } from '../../concurrency.js';
import { isoTime, toAwsNames } from '../../output/output.js';
import { pagesOf } from '../../pages.js';
import { ifAllowed } from '../parts.js';

/** A key. Members that the caller may not see are absent. */
export interface ListedKey {
  readonly keyId: string;
  readonly metadata: KeyMetadata | undefined;
  /** In alphabetical order. */
  readonly aliases: readonly string[];
  /** Read only on request. */
  readonly tags: Readonly<Record<string, string>> | undefined;
  /** Epoch seconds. */
  readonly lastUse: number | undefined;
}

/** Reads all keys. @param withTags whether to read their tags too, which takes another request for each key */
export async function readKeys(client: Client, withTags: boolean): Promise<ListedKey[]> {
  const aliases = (await ifAllowed(readAliases(client))) ?? new Map<string, string[]>();
  const keyIds: string[] = [];
  for await (const { keys = [] } of pagesOf((marker) => client.listKeys({ marker })))
    keyIds.push(...keys.map(({ keyId = '' }) => keyId));
  const progress = startProgress('reading keys', 'items');
  const listed = await mapConcurrently(
    keyIds,
    (keyId) => readKey(client, keyId, aliases.get(keyId) ?? [], withTags),
    (finished) => progress.show(finished, keyIds.length),
  );
  progress.end();
  return listed;
}

/** Aliases by the IDs of their keys. */
async function readAliases(client: Client): Promise<Map<string, string[]>> {
  const aliases = new Map<string, string[]>();
  for await (const page of pagesOf((marker) => client.listAliases({ marker })))
    for (const { aliasName = '', targetKeyId = '' } of page.aliases ?? [])
      aliases.set(targetKeyId, [...(aliases.get(targetKeyId) ?? []), aliasName]);
  return aliases;
}

async function readKey(
  client: Client,
  keyId: string,
  aliases: readonly string[],
  withTags: boolean,
): Promise<ListedKey> {
  const [described, usage, tags] = await Promise.all([
    ifAllowed(client.describeKey({ keyId })),
    ifAllowed(client.getKeyLastUsage({ keyId })),
    withTags ? ifAllowed(client.listResourceTags({ keyId })) : undefined,
  ]);
  return {
    keyId,
    metadata: described?.keyMetadata,
    aliases: [...aliases].sort(),
    tags:
      tags?.tags &&
      Object.fromEntries(tags.tags.map(({ tagKey, tagValue = '' }) => [tagKey ?? '', tagValue])),
    lastUse: usage?.keyLastUsage?.timestamp,
  };
}

const metadataShape = shapeByName.get('DescribeKey')!.response.byName.get('keyMetadata')!.message!;

/** Returns the metadata with AWS's names, with Aliases, LastUsedDate and Tags added. */
export function keyJson({ keyId, metadata, aliases, tags, lastUse }: ListedKey): Json {
  const json = toAwsNames(metadataShape, { ...(metadata ?? { keyId }) });
  json.Aliases = [...aliases];
  if (lastUse !== undefined) json.LastUsedDate = isoTime(lastUse);
  if (tags) json.Tags = { ...tags };
  return json;
}
