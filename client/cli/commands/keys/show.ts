// keyhold show: everything about one key.
import type { Command } from 'commander';
import type { Json } from '../../../../proto/aws/json.js';
import { type OperationName, shapeByName } from '../../../../proto/schema/descriptor.js';
import type { Client } from '../../../client.js';
import { addOutputOptions, type OutputOptions, print, toAwsNames } from '../../output/output.js';
import { readableText } from '../../output/readable.js';
import { standardScreen } from '../../output/style.js';
import { pagesOf } from '../../pages.js';
import { withClient } from '../../session.js';
import { findKey, keyNameText } from './key-names.js';
import { ifAllowed } from '../parts.js';

/** Adds `keyhold show`. */
export function addShowCommand(program: Command): void {
  const command = program
    .command('show')
    .helpGroup('At a glance:')
    .description('Shows all of a key: metadata, aliases, tags, rotation, last use, grants and policy.')
    .argument('<key>', keyNameText)
    .action((key: string, options: OutputOptions) =>
      withClient(async (client) => {
        const all = await readKey(client, key);
        // As text, the policy is printed as a JSON document.
        const readable = all.Policy ? { ...all, Policy: JSON.stringify(all.Policy) } : all;
        await print(all, options, () => readableText(readable, standardScreen()));
      }, 'DescribeKey'),
    );
  addOutputOptions(command);
}

type Part = readonly [name: string, operation: OperationName, value: () => Promise<Json>];

async function readKey(client: Client, name: string): Promise<Record<string, Json>> {
  const { keyMetadata } = await client.describeKey({ keyId: await findKey(client, name) });
  const keyId = keyMetadata?.keyId ?? name;
  const parts: readonly Part[] = [
    ['Aliases', 'ListAliases', () => aliasesOf(client, keyId)],
    ['Tags', 'ListResourceTags', () => tagsOf(client, keyId)],
    ['LastUsage', 'GetKeyLastUsage', () => lastUsageOf(client, keyId)],
    ['Rotation', 'GetKeyRotationStatus', () => rotationOf(client, keyId)],
    ['Rotations', 'ListKeyRotations', () => rotationsOf(client, keyId)],
    ['Grants', 'ListGrants', () => grantsOf(client, keyId)],
    ['Policy', 'GetKeyPolicy', () => policyOf(client, keyId)],
  ];
  const denied: Record<string, string> = {};
  const values = await Promise.all(
    parts.map(([, operation, value]) => ifAllowed(value(), (code) => (denied[operation] = code))),
  );
  const shape = shapeByName.get('DescribeKey')!.response.byName.get('keyMetadata')!.message!;
  const key: Record<string, Json> = {
    ...toAwsNames(shape, { ...keyMetadata }),
  };
  parts.forEach(([part], index) => {
    const value = values[index];
    if (value !== undefined) key[part] = value;
  });
  // These parts are not empty: the caller may not see them.
  if (Object.keys(denied).length > 0) key.NotShown = denied;
  return key;
}

async function aliasesOf(client: Client, keyId: string): Promise<Json> {
  const names: string[] = [];
  for await (const { aliases = [] } of pagesOf((marker) => client.listAliases({ keyId, marker })))
    names.push(...aliases.map(({ aliasName = '' }) => aliasName));
  return names;
}

async function tagsOf(client: Client, keyId: string): Promise<Json> {
  const found: Record<string, string> = {};
  for await (const { tags = [] } of pagesOf((marker) => client.listResourceTags({ keyId, marker })))
    for (const { tagKey = '', tagValue = '' } of tags) found[tagKey] = tagValue;
  return found;
}

async function lastUsageOf(client: Client, keyId: string): Promise<Json> {
  const usage = named('GetKeyLastUsage', await client.getKeyLastUsage({ keyId }));
  return usage.KeyLastUsage ?? 'never used';
}

async function rotationOf(client: Client, keyId: string): Promise<Json> {
  const status = named('GetKeyRotationStatus', await client.getKeyRotationStatus({ keyId }));
  delete status.KeyId;
  return status;
}

async function rotationsOf(client: Client, keyId: string): Promise<Json> {
  const all: object[] = [];
  for await (const { rotations = [] } of pagesOf((marker) => client.listKeyRotations({ keyId, marker })))
    all.push(...rotations.map((rotation) => ({ ...rotation, keyId: undefined })));
  return named('ListKeyRotations', { rotations: all }).Rotations ?? [];
}

async function grantsOf(client: Client, keyId: string): Promise<Json> {
  const all: object[] = [];
  for await (const { grants = [] } of pagesOf((marker) => client.listGrants({ keyId, marker })))
    all.push(...grants.map((grant) => ({ ...grant, keyId: undefined })));
  return named('ListGrants', { grants: all }).Grants ?? [];
}

async function policyOf(client: Client, keyId: string): Promise<Json> {
  const { policy = '{}' } = await client.getKeyPolicy({ keyId });
  return JSON.parse(policy) as Json;
}

function named(operation: OperationName, response: object): Record<string, Json> {
  return toAwsNames(shapeByName.get(operation)!.response, response as Record<string, unknown>);
}
