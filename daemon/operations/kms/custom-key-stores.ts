// CreateCustomKeyStore, UpdateCustomKeyStore, DescribeCustomKeyStores, ConnectCustomKeyStore, DisconnectCustomKeyStore,
// DeleteCustomKeyStore. They change only records, which the key stores follow.
import { randomBytes } from 'node:crypto';
import { exceptions } from '../../../proto/errors.js';
import type { ConnectionStateType, CustomKeyStoresListEntry } from '../../../proto/generated/messages.js';
import {
  type CustomKeyStoreRecord,
  customKeyStores,
  existingCustomKeyStore,
  putCustomKeyStore,
  customKeyStorePrefix,
  customKeyStoreSecretName,
} from '../../keys/index.js';
import { type AnyOperation, operation, type Services } from '../../pipeline/operation.js';
import { page } from '../shared/paging.js';

/** A KeyStorePassword with this value means: the configuration names the source of the PIN for the cluster. */
const fromConfiguration = 'from-configuration';

const createCustomKeyStore = operation({
  name: 'CreateCustomKeyStore',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:CreateCustomKeyStore' }],
  audited: ['customKeyStoreName', 'cloudHsmClusterId', 'customKeyStoreType'],
  auditedResponse: (response) => response,
  async handle({ request, services }) {
    if (request.customKeyStoreType === 'EXTERNAL_KEY_STORE') throw externalKeyStore();
    refuseXksFields(request);
    const { customKeyStoreName: name } = request;
    const cloudHsmClusterId = required(request.cloudHsmClusterId, 'CloudHsmClusterId');
    const trustAnchorCertificate = required(request.trustAnchorCertificate, 'TrustAnchorCertificate');
    const keyStorePassword = required(request.keyStorePassword, 'KeyStorePassword');
    const customKeyStoreId = `cks-${randomBytes(9).toString('hex').slice(0, 17)}`;
    const check = () => {
      checkName(services, name);
      checkCluster(services, cloudHsmClusterId);
      if ([...customKeyStores(services.records)].length < services.limits.customKeyStores) return;
      throw new exceptions.LimitExceededException(
        `There are ${services.limits.customKeyStores} custom key stores already, which is the limit.`,
      );
    };
    check();
    checkPasswordSource(services, cloudHsmClusterId, keyStorePassword === fromConfiguration);
    const now = Date.now() / 1000;
    const record: CustomKeyStoreRecord = {
      customKeyStoreId,
      name,
      cloudHsmClusterId,
      trustAnchorCertificate,
      password: await sealPassword(services, customKeyStoreId, keyStorePassword),
      passwordGivenAt: now,
      createdAt: now,
      connect: false,
    };
    return {
      response: { customKeyStoreId },
      changes: () => {
        check();
        return [putCustomKeyStore(record)];
      },
    };
  },
});

const updateCustomKeyStore = operation({
  name: 'UpdateCustomKeyStore',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:UpdateCustomKeyStore' }],
  audited: ['customKeyStoreId', 'newCustomKeyStoreName', 'cloudHsmClusterId'],
  async handle({ request, services }) {
    const { customKeyStoreId, newCustomKeyStoreName: newName, keyStorePassword, cloudHsmClusterId } = request;
    existingCustomKeyStore(services.records, customKeyStoreId);
    refuseXksFields(request);
    if ((newName ?? keyStorePassword ?? cloudHsmClusterId) === undefined) {
      throw new exceptions.ValidationException(
        'Nothing to update: give NewCustomKeyStoreName, KeyStorePassword or CloudHsmClusterId.',
      );
    }
    const changed = (password?: Pick<CustomKeyStoreRecord, 'password' | 'passwordGivenAt'>) => {
      const record = existingCustomKeyStore(services.records, customKeyStoreId);
      const onlyRenames = keyStorePassword === undefined && cloudHsmClusterId === undefined;
      checkState(services, record, onlyRenames ? ['CONNECTED', 'DISCONNECTED'] : ['DISCONNECTED']);
      if (newName !== undefined) checkName(services, newName, customKeyStoreId);
      if (cloudHsmClusterId !== undefined) checkCluster(services, cloudHsmClusterId, customKeyStoreId);
      const updated = {
        ...record,
        ...password,
        name: newName ?? record.name,
        cloudHsmClusterId: cloudHsmClusterId ?? record.cloudHsmClusterId,
      };
      const needsSource =
        keyStorePassword === undefined
          ? updated.password === undefined
          : keyStorePassword === fromConfiguration;
      if (!onlyRenames) checkPasswordSource(services, updated.cloudHsmClusterId, needsSource);
      return putCustomKeyStore(updated);
    };
    changed();
    const password =
      keyStorePassword === undefined
        ? undefined
        : {
            password: await sealPassword(services, customKeyStoreId, keyStorePassword),
            passwordGivenAt: Date.now() / 1000,
          };
    return { response: {}, changes: () => [changed(password)] };
  },
});

const describeCustomKeyStores = operation({
  name: 'DescribeCustomKeyStores',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:DescribeCustomKeyStores' }],
  audited: ['customKeyStoreId', 'customKeyStoreName', 'limit', 'marker'],
  handle({ request, services }) {
    const { customKeyStoreId, customKeyStoreName } = request;
    if (customKeyStoreId !== undefined && customKeyStoreName !== undefined) {
      throw new exceptions.ValidationException('Give CustomKeyStoreId or CustomKeyStoreName, not both.');
    }
    if (customKeyStoreId !== undefined) {
      const record = existingCustomKeyStore(services.records, customKeyStoreId);
      return answer([entryOf(services, record)], false, undefined);
    }
    if (customKeyStoreName !== undefined) {
      for (const record of customKeyStores(services.records))
        if (record.name === customKeyStoreName) return answer([entryOf(services, record)], false, undefined);
      throw new exceptions.CustomKeyStoreNotFoundException(
        `There is no custom key store with the name '${customKeyStoreName}'.`,
      );
    }
    const { items, truncated, nextMarker } = page(
      request,
      100,
      (after) => customKeyStores(services.records, after),
      (record) => record.customKeyStoreId,
    );
    return answer(
      items.map((record) => entryOf(services, record)),
      truncated,
      nextMarker,
    );
  },
});

const connectCustomKeyStore = operation({
  name: 'ConnectCustomKeyStore',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:ConnectCustomKeyStore' }],
  audited: ['customKeyStoreId'],
  handle: ({ request: { customKeyStoreId }, services }) =>
    change(services, customKeyStoreId, ['DISCONNECTED', 'CONNECTING', 'CONNECTED'], (record) =>
      putCustomKeyStore({ ...record, connect: true }),
    ),
});

const disconnectCustomKeyStore = operation({
  name: 'DisconnectCustomKeyStore',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:DisconnectCustomKeyStore' }],
  audited: ['customKeyStoreId'],
  handle: ({ request: { customKeyStoreId }, services }) =>
    change(services, customKeyStoreId, ['CONNECTED', 'CONNECTING', 'FAILED'], (record) =>
      putCustomKeyStore({ ...record, connect: false }),
    ),
});

const deleteCustomKeyStore = operation({
  name: 'DeleteCustomKeyStore',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:DeleteCustomKeyStore' }],
  audited: ['customKeyStoreId'],
  handle: ({ request: { customKeyStoreId }, services }) =>
    change(services, customKeyStoreId, ['DISCONNECTED'], () => {
      for (const key of services.keyring.keysIn(customKeyStoreId)) {
        throw new exceptions.CustomKeyStoreHasCMKsException(
          `The custom key store ${customKeyStoreId} holds keys, such as ${key.arn}: delete them first.`,
        );
      }
      return { key: customKeyStorePrefix + customKeyStoreId, value: undefined };
    }),
});

export const customKeyStoreOperations: readonly AnyOperation[] = [
  createCustomKeyStore,
  updateCustomKeyStore,
  describeCustomKeyStores,
  connectCustomKeyStore,
  disconnectCustomKeyStore,
  deleteCustomKeyStore,
];

/** The error for requests about external key stores. */
export function externalKeyStore() {
  return new exceptions.UnsupportedOperationException(
    'External key stores (EXTERNAL_KEY_STORE, Xks… parameters) are not available: Keyhold keeps its keys in PKCS#11 ' +
      'tokens and is no client of external key store proxies.',
  );
}

/** A change that is checked now, to refuse it early, and again when it is written. */
function change(
  services: Services,
  customKeyStoreId: string,
  states: readonly ConnectionStateType[],
  make: (record: CustomKeyStoreRecord) => ReturnType<typeof putCustomKeyStore>,
) {
  const checked = () => {
    const record = existingCustomKeyStore(services.records, customKeyStoreId);
    checkState(services, record, states);
    return [make(record)];
  };
  checked();
  return { response: {}, changes: checked };
}

function entryOf(services: Services, record: CustomKeyStoreRecord): CustomKeyStoresListEntry {
  return {
    customKeyStoreId: record.customKeyStoreId,
    customKeyStoreName: record.name,
    cloudHsmClusterId: record.cloudHsmClusterId,
    trustAnchorCertificate: record.trustAnchorCertificate,
    ...services.stores.connectionOf(record.customKeyStoreId),
    creationDate: record.createdAt,
    customKeyStoreType: 'AWS_CLOUDHSM',
  };
}

function answer(entries: CustomKeyStoresListEntry[], truncated: boolean, nextMarker: string | undefined) {
  return { response: { customKeyStores: entries, truncated, nextMarker } };
}

/** Seals a password. @returns base64; undefined if the configuration names the source of the PIN */
async function sealPassword(
  { secrets }: Services,
  customKeyStoreId: string,
  password: string,
): Promise<string | undefined> {
  if (password === fromConfiguration) return undefined;
  const sealed = await secrets.seal(customKeyStoreSecretName(customKeyStoreId), Buffer.from(password));
  return sealed.toString('base64');
}

/** @throws CustomKeyStoreInvalidStateException */
function checkState(
  { stores }: Services,
  { customKeyStoreId }: CustomKeyStoreRecord,
  allowed: readonly ConnectionStateType[],
): void {
  const { connectionState } = stores.connectionOf(customKeyStoreId);
  if (allowed.includes(connectionState)) return;
  throw new exceptions.CustomKeyStoreInvalidStateException(
    `The custom key store ${customKeyStoreId} is ${connectionState}; this takes one that is ${allowed.join(' or ')}.`,
  );
}

/** Checks that no other custom key store has a name. @throws CustomKeyStoreNameInUseException */
function checkName({ records }: Services, name: string, customKeyStoreId?: string): void {
  for (const other of customKeyStores(records)) {
    if (other.name !== name || other.customKeyStoreId === customKeyStoreId) continue;
    throw new exceptions.CustomKeyStoreNameInUseException(
      `There is a custom key store with the name '${name}' already: ${other.customKeyStoreId}.`,
    );
  }
}

/** @throws CloudHsmClusterNotFoundException, CloudHsmClusterInUseException */
function checkCluster({ records, stores }: Services, clusterId: string, customKeyStoreId?: string): void {
  if (!stores.clusters.find(clusterId)) {
    throw new exceptions.CloudHsmClusterNotFoundException(
      `The configuration defines no cluster '${clusterId}': add it under 'clusters' in keyhold.yaml.`,
    );
  }
  for (const other of customKeyStores(records)) {
    if (other.cloudHsmClusterId !== clusterId || other.customKeyStoreId === customKeyStoreId) continue;
    throw new exceptions.CloudHsmClusterInUseException(
      `The cluster '${clusterId}' belongs to another custom key store: ${other.customKeyStoreId}.`,
    );
  }
}

/** Checks that the configuration names a source of the PIN, if it must. @throws ValidationException */
function checkPasswordSource({ stores }: Services, clusterId: string, isNeeded: boolean): void {
  if (!isNeeded || stores.clusters.find(clusterId)?.hasPin !== false) return;
  throw new exceptions.ValidationException(
    `KeyStorePassword is '${fromConfiguration}', and the cluster '${clusterId}' has no 'pin' in keyhold.yaml.`,
  );
}

/** @throws ValidationException */
function required(value: string | undefined, name: string): string {
  if (value !== undefined) return value;
  throw new exceptions.ValidationException(
    `${name} is required for a custom key store of type AWS_CLOUDHSM.`,
  );
}

/** @throws UnsupportedOperationException */
function refuseXksFields(request: object): void {
  if (Object.keys(request).some((name) => name.startsWith('xks'))) throw externalKeyStore();
}
