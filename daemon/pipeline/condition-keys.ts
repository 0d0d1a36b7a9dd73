// Condition keys of KMS (Developer Guide, "AWS KMS condition keys"), and those about tags. If a request omits a field,
// they have its default: a policy decides about what happens, not about how it was requested.
import type { StringMap, Tag } from '../../proto/generated/messages.js';
import type { Lookup } from '../policy/language/patterns.js';
import { multiRegionKeyTypeOf } from '../keys/index.js';
import { globalConditionKeys } from './global-context.js';
import type { ConditionContext, ConditionKey, ConditionKeys, Permission } from './operation.js';

/** Condition keys for the key that a permission is about. */
const keyConditionKeys: ConditionKeys<unknown> = {
  'kms:KeySpec': ({ key }) => key!.record.keySpec,
  'kms:CustomerMasterKeySpec': ({ key }) => key!.record.keySpec,
  'kms:KeyUsage': ({ key }) => key!.record.keyUsage,
  'kms:CustomerMasterKeyUsage': ({ key }) => key!.record.keyUsage,
  'kms:KeyOrigin': ({ key }) => key!.record.origin,
  'kms:MultiRegion': ({ key }) => String(key!.record.multiRegion),
  'kms:MultiRegionKeyType': ({ key }) => multiRegionKeyTypeOf(key!.record),
  'kms:ResourceAliases': ({ key, services }) =>
    [...services.keyring.aliasesOf(key!.record.keyId)].map(({ aliasName }) => aliasName),
  'aws:ResourceTag/': ({ key }, name) => valuesOf(key!.record.tags, name),
};

/** The alias by which a request names its key. @param field of the request that names it */
export function requestAlias<Name extends string>(field: Name) {
  return {
    'kms:RequestAlias': ({
      request,
      services,
    }: ConditionContext<Readonly<Partial<Record<Name, string>>>>) => {
      const named = request[field];
      const parsed = named === undefined ? undefined : services.keyring.namer.parse(named);
      return parsed?.kind === 'alias' ? parsed.aliasName : undefined;
    },
  };
}

/** For data keys and the private keys of data key pairs: a symmetric key encrypts them. */
export const symmetricEncryption = { 'kms:EncryptionAlgorithm': () => 'SYMMETRIC_DEFAULT' };

/** Condition keys for the tags in a request. */
export const requestTags = {
  'aws:RequestTag/': ({ request }: ConditionContext<{ readonly tags?: readonly Tag[] }>, name: string) =>
    valuesOf(request.tags ?? [], name),
  'aws:TagKeys': ({ request }: ConditionContext<{ readonly tags?: readonly Tag[] }>) =>
    request.tags?.map(({ tagKey }) => tagKey),
};

/** To policies, tag keys that differ only in case are the same. @param name in lower case */
function valuesOf(tags: readonly Tag[], name: string): string[] {
  return tags.flatMap(({ tagKey, tagValue }) => (tagKey.toLowerCase() === name ? [tagValue] : []));
}

const contexts = new WeakMap<StringMap, ReadonlyMap<string, string[]>>();

/** Values by lower-case key, cached: a context may have thousands of pairs, and a policy may ask for hundreds. */
function contextValues(context: StringMap): ReadonlyMap<string, string[]> {
  const known = contexts.get(context);
  if (known) return known;
  const values = new Map<string, string[]>();
  for (const [key, value] of Object.entries(context)) {
    const name = key.toLowerCase();
    const list = values.get(name);
    if (list) list.push(value);
    else values.set(name, [value]);
  }
  contexts.set(context, values);
  return values;
}

function encryptionContextKeys(
  read: (request: Record<string, unknown>) => StringMap | undefined,
): ConditionKeys<Record<string, unknown>> {
  return {
    'kms:EncryptionContext:': ({ request }, name) => {
      const context = read(request);
      return context ? (contextValues(context).get(name) ?? []) : [];
    },
    'kms:EncryptionContextKeys': ({ request }) => Object.keys(read(request) ?? {}),
  };
}

type AnyPermission = Permission<Record<string, unknown>>;
type AnyConditionKey = ConditionKey<Record<string, unknown>>;

/** All condition keys that requests for a permission supply. */
export function suppliedBy({ key, encryptionContext, conditionKeys }: AnyPermission) {
  return {
    ...globalConditionKeys,
    ...(key && keyConditionKeys),
    ...(encryptionContext && encryptionContextKeys(encryptionContext)),
    ...conditionKeys,
  } satisfies ConditionKeys<Record<string, unknown>>;
}

interface Supply {
  readonly single: ReadonlyMap<string, AnyConditionKey>;
  /** Condition keys whose name is a prefix, such as `aws:ResourceTag/`. */
  readonly families: readonly (readonly [prefix: string, value: AnyConditionKey])[];
}

const supplies = new WeakMap<AnyPermission, Supply>();

function supplyOf(permission: AnyPermission): Supply {
  let supply = supplies.get(permission);
  if (!supply) {
    const entries = Object.entries<AnyConditionKey>(suppliedBy(permission)).map(
      ([name, value]) => [name.toLowerCase(), value] as const,
    );
    const isFamily = ([name]: (typeof entries)[number]) => /[:/]$/.test(name);
    supply = {
      single: new Map(entries.filter((entry) => !isFamily(entry))),
      families: entries.filter(isFamily),
    };
    supplies.set(permission, supply);
  }
  return supply;
}

/** The condition keys of one request. Nothing is computed that no policy asks for. */
export function conditionsOf(
  permission: AnyPermission,
  asked: ConditionContext<Record<string, unknown>>,
): Lookup {
  return (name) => {
    const { single, families } = supplyOf(permission);
    const found = single.get(name);
    if (found) return listOf(found(asked, ''));
    const family = families.find(([prefix]) => name.startsWith(prefix));
    return family && listOf(family[1](asked, name.slice(family[0].length)));
  };
}

function listOf(values: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof values === 'string' ? [values] : values;
}
