// keyhold identity show: everything about one user or role.
import type { Json } from '../../../proto/aws/json.js';
import { type OperationName, shapeByName } from '../../../proto/schema/descriptor.js';
import type { Client } from '../../client.js';
import { type OutputOptions, print, toAwsNames } from '../output/output.js';
import { pagesOf } from '../pages.js';
import { ifAllowed } from './parts.js';

type Parts = readonly (readonly [name: string, operation: OperationName, value: () => Promise<Json>])[];

/** Shows a user or a role. Parts that the caller may not see are listed under NotShown. */
export async function showIdentity(
  client: Client,
  kind: 'user' | 'role',
  name: string,
  options: OutputOptions,
): Promise<void> {
  const shown = kind === 'user' ? await userOf(client, name) : await roleOf(client, name);
  const denied: Record<string, string> = {};
  for (const [part, operation, value] of shown.parts) {
    const found = await ifAllowed(value(), (code) => (denied[operation] = code));
    if (found !== undefined) shown.identity[part] = found;
  }
  if (Object.keys(denied).length > 0) shown.identity.NotShown = denied;
  await print(shown.identity, options);
}

interface Shown {
  readonly identity: Record<string, Json>;
  readonly parts: Parts;
}

async function userOf(client: Client, userName: string): Promise<Shown> {
  const policies = async () => {
    const all: object[] = [];
    for await (const page of pagesOf((marker) => client.listAttachedUserPolicies({ userName, marker })))
      all.push(...(page.attachedPolicies ?? []));
    return listOf('ListAttachedUserPolicies', { attachedPolicies: all });
  };
  const accessKeys = async () => listOf('ListAccessKeys', await client.listAccessKeys({ userName }));
  return {
    identity: structureOf('GetUser', await client.getUser({ userName })),
    parts: [
      ['AttachedPolicies', 'ListAttachedUserPolicies', policies],
      ['AccessKeys', 'ListAccessKeys', accessKeys],
    ],
  };
}

async function roleOf(client: Client, roleName: string): Promise<Shown> {
  const policies = async () => {
    const all: object[] = [];
    for await (const page of pagesOf((marker) => client.listAttachedRolePolicies({ roleName, marker })))
      all.push(...(page.attachedPolicies ?? []));
    return listOf('ListAttachedRolePolicies', { attachedPolicies: all });
  };
  return {
    identity: structureOf('GetRole', await client.getRole({ roleName })),
    parts: [['AttachedPolicies', 'ListAttachedRolePolicies', policies]],
  };
}

/** Returns the only structure in a response, with AWS's names. */
function structureOf(operation: OperationName, response: object): Record<string, Json> {
  const [only] = Object.values(toAwsNames(shapeByName.get(operation)!.response, { ...response }));
  return only as Record<string, Json>;
}

/** Returns the list in a response, with AWS's names. */
function listOf(operation: OperationName, response: object): Json {
  const named = toAwsNames(shapeByName.get(operation)!.response, { ...response });
  return Object.values(named).find((value) => Array.isArray(value)) ?? [];
}
