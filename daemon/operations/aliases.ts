// CreateAlias, ListAliases.
import { exceptions } from '../../proto/errors.js';
import { putAlias } from '../keys/keyring.js';
import { type AnyOperation, operation, type Services } from './operation.js';
import { page } from './paging.js';
import { keyIdOrArn } from './resolvers.js';

const createAlias = operation({
  name: 'CreateAlias',
  service: 'kms',
  readOnly: false,
  permissions: [
    { action: 'kms:CreateAlias', key: keyIdOrArn('targetKeyId') },
    {
      action: 'kms:CreateAlias',
      resource: ({ aliasName }, { keyring }) => keyring.namer.aliasArn(aliasName),
    },
  ],
  states: 'modify',
  audited: ['aliasName', 'targetKeyId'],
  handle({ aliasName }, [key], services) {
    checkAliasName(aliasName);
    const { keyId } = key!.record;
    const createdAt = Date.now() / 1000;
    return Promise.resolve({
      response: {},
      changes: () => {
        checkRoom(aliasName, keyId, services);
        return [putAlias(aliasName, { targetKeyId: keyId, createdAt, updatedAt: createdAt })];
      },
    });
  },
});

const listAliases = operation({
  name: 'ListAliases',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:ListAliases' }],
  audited: ['keyId', 'limit', 'marker'],
  handle(request, _keys, { keyring }) {
    const target = request.keyId === undefined ? undefined : keyring.findByKeyId(request.keyId).record.keyId;
    const { items, truncated, nextMarker } = page(
      request,
      50,
      (after) => (target === undefined ? keyring.aliases(after) : keyring.aliasesOf(target, after)),
      (alias) => alias.aliasName,
    );
    const aliases = items.map(({ aliasName, targetKeyId, createdAt, updatedAt }) => ({
      aliasName,
      aliasArn: keyring.namer.aliasArn(aliasName),
      targetKeyId,
      creationDate: createdAt,
      lastUpdatedDate: updatedAt,
    }));
    return Promise.resolve({ response: { aliases, truncated, nextMarker } });
  },
});

export const aliasOperations: readonly AnyOperation[] = [createAlias, listAliases];

function checkAliasName(aliasName: string): void {
  if (!/^alias\/[a-zA-Z0-9/_-]+$/.test(aliasName)) {
    const form = 'An alias name is "alias/" and letters, digits, "/", "_" and "-".';
    throw new exceptions.InvalidAliasNameException(form);
  }
  if (aliasName.startsWith('alias/aws/')) {
    throw new exceptions.InvalidAliasNameException('Alias names that begin with "alias/aws/" are reserved.');
  }
}

function checkRoom(aliasName: string, keyId: string, { keyring, limits }: Services): void {
  if (keyring.alias(aliasName)) {
    const arn = keyring.namer.aliasArn(aliasName);
    throw new exceptions.AlreadyExistsException(`An alias with the name ${arn} already exists`);
  }
  if (!keyring.key(keyId))
    throw new exceptions.NotFoundException(`Key '${keyring.namer.keyArn(keyId)}' does not exist`);
  if ([...keyring.aliasesOf(keyId)].length >= limits.aliasesPerKey) {
    throw new exceptions.LimitExceededException(
      `The key has ${limits.aliasesPerKey} aliases already, which is the limit.`,
    );
  }
}
