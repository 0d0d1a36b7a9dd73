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
  const { read, parts } = kind === 'user' ? userOf(client, name) : roleOf(client, name);
  const denied: Record<string, string> = {};
  const [identity, ...values] = await Promise.all([
    read(),
    ...parts.map(([, operation, value]) => ifAllowed(value(), (code) => (denied[operation] = code))),
  ]);
  parts.forEach(([part], index) => {
    const value = values[index];
    if (value !== undefined) identity[part] = value;
  });
  if (Object.keys(denied).length > 0) identity.NotShown = denied;
  await print(identity, options);
}

/** How a user or role is read: what it cannot be shown without, and the other parts. */
interface Source {
  readonly read: () => Promise<Record<string, Json>>;
  readonly parts: Parts;
}

function userOf(client: Client, userName: string): Source {
  const policies = async () => {
    const all: object[] = [];
    for await (const page of pagesOf((marker) => client.listAttachedUserPolicies({ userName, marker })))
      all.push(...(page.attachedPolicies ?? []));
    return listOf('ListAttachedUserPolicies', { attachedPolicies: all });
  };
  const accessKeys = async () => listOf('ListAccessKeys', await client.listAccessKeys({ userName }));
  return {
    read: async () => structureOf('GetUser', await client.getUser({ userName })),
    parts: [
      ['AttachedPolicies', 'ListAttachedUserPolicies', policies],
      ['AccessKeys', 'ListAccessKeys', accessKeys],
    ],
  };
}

function roleOf(client: Client, roleName: string): Source {
  const policies = async () => {
    const all: object[] = [];
    for await (const page of pagesOf((marker) => client.listAttachedRolePolicies({ roleName, marker })))
      all.push(...(page.attachedPolicies ?? []));
    return listOf('ListAttachedRolePolicies', { attachedPolicies: all });
  };
  return {
    read: async () => structureOf('GetRole', await client.getRole({ roleName })),
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
