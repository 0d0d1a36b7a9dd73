// CreateAlias, UpdateAlias, DeleteAlias, ListAliases.
import { exceptions } from '../../../proto/errors.js';
import {
  type Alias,
  type Key,
  type KeyRecord,
  type Keyring,
  managedAliases,
  managedAliasPrefix,
  putAlias,
} from '../../keys/index.js';
import { type AnyOperation, operation, type Services } from '../../pipeline/operation.js';
import { page } from '../shared/paging.js';

const createAlias = operation({
  name: 'CreateAlias',
  service: 'kms',
  readOnly: false,
  permissions: [
    { action: 'kms:CreateAlias', key: newTarget },
    {
      action: 'kms:CreateAlias',
      resource: ({ aliasName }, { keyring }) => keyring.namer.aliasArn(aliasName),
    },
  ],
  states: 'modify',
  audited: ['aliasName', 'targetKeyId'],
  handle({ request: { aliasName }, key, services }) {
    const { keyId } = key.record;
    const createdAt = Date.now() / 1000;
    return {
      response: {},
      changes: () => {
        checkAliasIsFree(aliasName, services);
        checkRoom(keyId, services);
        return [putAlias(aliasName, { targetKeyId: keyId, createdAt, updatedAt: createdAt })];
      },
    };
  },
});

const updateAlias = operation({
  name: 'UpdateAlias',
  service: 'kms',
  readOnly: false,
  permissions: [
    // The current target may be in any state: an alias can always be moved away from a key.
    { action: 'kms:UpdateAlias', key: aliasTarget, states: 'read' },
    { action: 'kms:UpdateAlias', key: newTarget, role: 'target' },
    {
      action: 'kms:UpdateAlias',
      resource: ({ aliasName }, { keyring }) => keyring.namer.aliasArn(aliasName),
    },
  ],
  states: 'modify',
  audited: ['aliasName', 'targetKeyId'],
  handle({ request: { aliasName }, target, services }) {
    const { keyring } = services;
    const { keyId } = target.record;
    const updatedAt = Date.now() / 1000;
    return {
      response: {},
      changes: () => {
        const { targetKeyId, createdAt } = existingAlias(aliasName, services);
        checkSameKind(keyring.existing(targetKeyId).record, keyring.existing(keyId).record);
        if (targetKeyId !== keyId) checkRoom(keyId, services);
        return [putAlias(aliasName, { targetKeyId: keyId, createdAt, updatedAt })];
      },
    };
  },
});

const deleteAlias = operation({
  name: 'DeleteAlias',
  service: 'kms',
  readOnly: false,
  permissions: [
    { action: 'kms:DeleteAlias', key: aliasTarget },
    {
      action: 'kms:DeleteAlias',
      resource: ({ aliasName }, { keyring }) => keyring.namer.aliasArn(aliasName),
    },
  ],
  states: 'read',
  audited: ['aliasName'],
  handle: ({ request: { aliasName }, services }) => ({
    response: {},
    changes: () => {
      existingAlias(aliasName, services);
      return [{ key: aliasName, value: undefined }];
    },
  }),
});

const listAliases = operation({
  name: 'ListAliases',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:ListAliases' }],
  audited: ['keyId', 'limit', 'marker'],
  handle({ request, services: { keyring } }) {
    const target = request.keyId === undefined ? undefined : keyring.findByKeyId(request.keyId).record.keyId;
    const { items, truncated, nextMarker } = page(
      request,
      50,
      (after) => (target === undefined ? allAliases(keyring, after) : keyring.aliasesOf(target, after)),
      (alias) => alias.aliasName,
    );
    const aliases = items.map(({ aliasName, targetKeyId, createdAt, updatedAt }) => ({
      aliasName,
      aliasArn: keyring.namer.aliasArn(aliasName),
      targetKeyId,
      creationDate: createdAt,
      lastUpdatedDate: updatedAt,
    }));
    return { response: { aliases, truncated, nextMarker } };
  },
});

export const aliasOperations: readonly AnyOperation[] = [createAlias, updateAlias, deleteAlias, listAliases];

/** An alias in a list. A service's alias has no target and no dates until its key is made. */
type ListedAlias = Pick<Alias, 'aliasName'> & Partial<Alias>;

/** The user's aliases and those of services, ordered by name. */
function* allAliases(keyring: Keyring, after: string): Iterable<ListedAlias> {
  const predefined = managedAliases.filter((aliasName) => aliasName > after && !keyring.alias(aliasName));
  let next = 0;
  for (const alias of keyring.aliases(after)) {
    for (let name = predefined[next]; name !== undefined && name < alias.aliasName; name = predefined[++next])
      yield { aliasName: name };
    yield alias;
  }
  for (const aliasName of predefined.slice(next)) yield { aliasName };
}

interface AliasRequest {
  readonly aliasName: string;
  readonly targetKeyId: string;
}

/**
 * The key that an alias will refer to.
 * @throws as checkAliasName; ValidationException if the target is an alias; NotFoundException
 */
function newTarget({ aliasName, targetKeyId }: AliasRequest, { keyring }: Services): Key {
  checkAliasName(aliasName);
  if (keyring.namer.parse(targetKeyId).kind === 'alias')
    throw new exceptions.ValidationException('Aliases must refer to keys. Not aliases');
  return keyring.findByKeyId(targetKeyId);
}

/** The key that one of the user's aliases refers to. @throws as checkAliasName; NotFoundException */
function aliasTarget({ aliasName }: Pick<AliasRequest, 'aliasName'>, services: Services): Key {
  checkAliasName(aliasName);
  return services.keyring.existing(existingAlias(aliasName, services).targetKeyId);
}

function existingAlias(aliasName: string, { keyring }: Services): Alias {
  const alias = keyring.alias(aliasName);
  if (!alias)
    throw new exceptions.NotFoundException(`Alias ${keyring.namer.aliasArn(aliasName)} is not found.`);
  return alias;
}

/** Checks that programs that use the alias will find a key of the same kind. @throws ValidationException */
function checkSameKind(from: KeyRecord, to: KeyRecord): void {
  const isSymmetric = ({ keySpec }: KeyRecord) => keySpec === 'SYMMETRIC_DEFAULT';
  if (from.keyUsage === to.keyUsage && isSymmetric(from) === isSymmetric(to)) return;
  throw new exceptions.ValidationException(
    `The new key (${to.keySpec}, ${to.keyUsage}) is not of the kind of the present one (${from.keySpec}, ` +
      `${from.keyUsage}): delete the alias and create it anew.`,
  );
}

/**
 * Checks the name of a user's alias, with AWS's error codes and messages.
 * @throws ValidationException if the prefix `alias/` is missing or a character is not allowed; InvalidAliasNameException if
 *   nothing follows the prefix; NotAuthorizedException, with an empty message, for a service's alias
 */
export function checkAliasName(aliasName: string): void {
  if (!aliasName.startsWith('alias/')) {
    throw new exceptions.ValidationException(
      'Alias must start with the prefix "alias/". Please see ' +
        'https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html',
    );
  }
  if (aliasName.startsWith(managedAliasPrefix)) throw new exceptions.NotAuthorizedException('');
  if (!/^[a-zA-Z0-9/_-]+$/.test(aliasName))
    throw new exceptions.ValidationException(`${aliasName} contains invalid characters for an alias`);
  if (aliasName === 'alias/')
    throw new exceptions.InvalidAliasNameException('A name must follow the prefix "alias/".');
}

/** Checks that no alias has this name. @throws AlreadyExistsException */
export function checkAliasIsFree(aliasName: string, { keyring }: Pick<Services, 'keyring'>): void {
  if (!keyring.alias(aliasName)) return;
  const arn = keyring.namer.aliasArn(aliasName);
  throw new exceptions.AlreadyExistsException(`An alias with the name ${arn} already exists`);
}

function checkRoom(keyId: string, { keyring, limits }: Services): void {
  if (keyring.aliasCount(keyId) >= limits.aliasesPerKey) {
    throw new exceptions.LimitExceededException(
      `The key has ${limits.aliasesPerKey} aliases already, which is the limit.`,
    );
  }
}
