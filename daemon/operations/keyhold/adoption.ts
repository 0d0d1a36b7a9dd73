// AdoptKey: turns an object that is already in the default token into a key. Only a record is written, and nothing
// changes in the token. So no intent is needed: after a crash the object either is a key or is what it was before.
import { randomUUID } from 'node:crypto';
import { exceptions } from '../../../proto/errors.js';
import type { AdoptKeyRequest } from '../../../proto/generated/messages.js';
import { HsmError, type KeyStore, type ObjectId } from '../../hsm/key-store.js';
import {
  type Candidate,
  candidate,
  checkAdoptable,
  checkImportable,
  CKA_CLASS,
  CKA_ID,
  CKA_LABEL,
  destructionPrefix,
  idOf,
  inspectedTypes,
  Key,
  keyDefaults,
  keyMetadata,
  type KeyRecord,
  type KeyUsageEntry,
  NotAdoptable,
  putAlias,
  putKey,
  specOf,
  tryOut,
  usageIn,
} from '../../keys/index.js';
import { defaultKeyPolicy } from '../../policy/engine/key-policies.js';
import { checkAliasIsFree, checkAliasName } from '../kms/aliases.js';
import { requestTags } from '../../pipeline/condition-keys.js';
import { checkCreateKey } from '../kms/create-key.js';
import { type AnyOperation, operation, type Services } from '../../pipeline/operation.js';

const adoptKey = operation({
  name: 'AdoptKey',
  service: 'keyhold',
  readOnly: false,
  permissions: [{ action: 'keyhold:AdoptKey', conditionKeys: requestTags }],
  audited: ['label', 'id', 'keyUsage', 'description', 'alias', 'tags'],
  auditedResponse: (response) => response,
  async handle({ request, services }) {
    const { alias, description = '', tags = [] } = request;
    if (alias !== undefined) {
      checkAliasName(alias);
      checkAliasIsFree(alias, services);
    }
    const { keyring, stores } = services;
    const { found, checked, shortfalls } = await examine(request, services);
    const { keySpec, keyUsage, usage } = checked;
    if (usage.suite !== undefined) checkImportable(stores.main, usageIn(stores.main, keySpec, keyUsage)!);
    await stores.main.refreshObject(found.id);
    await checkWorks(stores.main, found.id, usage);
    const material = await services.materials.adopt(found.id, usage.suite, shortfalls);
    const { createdAt } = material;
    const keyId = randomUUID();
    const record: KeyRecord = {
      ...keyDefaults,
      keyId,
      createdAt,
      description,
      keySpec,
      keyUsage,
      policy: defaultKeyPolicy(keyring.namer.account),
      tags,
      materials: [material],
    };
    const made = new Key(record, keyring.namer);
    return {
      response: { keyMetadata: keyMetadata(made, keyring.namer) },
      made,
      changes: () => {
        checkIsNoKey(found.id, services);
        if (alias === undefined) return [putKey(record)];
        checkAliasIsFree(alias, services);
        return [putKey(record), putAlias(alias, { targetKeyId: keyId, createdAt, updatedAt: createdAt })];
      },
    };
  },
});

export const adoptionOperations: readonly AnyOperation[] = [adoptKey];

interface Examined {
  readonly found: Candidate;
  readonly checked: ReturnType<typeof checkCreateKey>;
  readonly shortfalls: string[];
}

/**
 * Finds the object that a request names, and checks that it can be adopted.
 * @throws ValidationException that gives the reason if it cannot; AlreadyExistsException, HsmError
 */
async function examine(request: AdoptKeyRequest, services: Services): Promise<Examined> {
  const { keyUsage, tags } = request;
  try {
    const id = await namedObject(request, services.stores.main);
    checkIsNoKey(id, services);
    const objects = await services.stores.main.inspect([[CKA_ID, id.toString('hex')]], inspectedTypes);
    const found = candidate(objects);
    const checked = checkCreateKey({ keySpec: specOf(found), keyUsage, tags }, services);
    return { found, checked, shortfalls: checkAdoptable(found, checked.keyUsage, checked.usage) };
  } catch (error) {
    if (!(error instanceof NotAdoptable)) throw error;
    throw new exceptions.ValidationException(`The object cannot be adopted. ${error.message}.`);
  }
}

async function namedObject({ label, id }: AdoptKeyRequest, store: KeyStore): Promise<ObjectId> {
  if ((label === undefined) === (id === undefined))
    throw new exceptions.ValidationException('Name the object by exactly one of Label and Id.');
  if (id !== undefined) return Buffer.from(id, 'hex');
  const match = [[CKA_LABEL, Buffer.from(label!).toString('hex')]] as const;
  return idOf(await store.inspect(match, [CKA_CLASS, CKA_ID]), `with the label '${label!}'`);
}

/**
 * Checks that an object is not one of Keyhold's own, and belongs to no key, not even to one that is being made.
 * @throws AlreadyExistsException
 */
function checkIsNoKey(id: ObjectId, { keyring: { records }, ownObjects }: Services): void {
  const hex = id.toString('hex');
  const named = `"objectId":"${hex}"`;
  const isKnown =
    records.get(destructionPrefix + hex) !== undefined ||
    [...records.keys('')].some((key) => records.get(key)!.includes(named));
  if (!isKnown && !ownObjects.has(hex)) return;
  throw new exceptions.AlreadyExistsException(`The object with CKA_ID ${hex} is Keyhold's already.`);
}

/**
 * Tries the object out in its key usage.
 * @throws ValidationException if it does not do what its attributes say; HsmError if the HSM is not available
 */
async function checkWorks(store: KeyStore, id: ObjectId, usage: KeyUsageEntry): Promise<void> {
  let reason = 'its public key is not that of its private key';
  try {
    if (await tryOut(store, id, usage)) return;
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    if (error.code !== 'invalid-ciphertext') {
      if (!['unsupported', 'internal'].includes(error.code)) throw error;
      reason = error.message;
    }
  }
  throw new exceptions.ValidationException(
    `The object cannot be adopted. The HSM does not do with it what a key of this usage is for: ${reason}.`,
  );
}
