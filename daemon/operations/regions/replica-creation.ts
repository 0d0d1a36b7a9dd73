// What a primary Region asks when a replica key is created here: CreateReplicaKey, AbandonReplicaKey.
import { randomUUID } from 'node:crypto';
import { exceptions } from '../../../proto/errors.js';
import {
  checkImportable,
  checkMechanisms,
  checkTravels,
  intendDestruction,
  Key,
  keyDefaults,
  type KeyRecord,
  materialsOf,
  putKey,
  removeKey,
  usageIn,
} from '../../keys/index.js';
import { makeEvent } from '../../pipeline/audit-event.js';
import { checkPermission } from '../../pipeline/authorization.js';
import type { PeerRequest } from '../../regions/messages.js';
import { deletedReplicaPrefix } from '../../regions/deleted-replicas.js';
import { checkLockout } from '../kms/key-policies.js';
import { checkTags } from '../kms/tags.js';
import { keyPolicy } from '../shared/policy-documents.js';
import { creation, tagging } from '../shared/replica-permissions.js';
import { localCaller } from './local-caller.js';
import type { PeerContext } from './peer-context.js';

type Creation = PeerRequest<'CreateReplicaKey'>;

/** How the event of a creation looks: that of CreateKey, as in AWS CloudTrail. */
const audited = {
  name: 'CreateKey',
  service: 'kms',
  readOnly: false,
  audited: ['description', 'keyUsage', 'keySpec', 'origin', 'multiRegion', 'primaryRegion', 'policy', 'tags'],
} as const;

/**
 * Creates a replica key without material, in the state Creating. The primary Region tells its material next.
 * @throws ServiceError, KeyError, PolicyError
 */
export async function createReplicaKey({ from, services, recorder }: PeerContext, request: Creation) {
  const { keyring, stores, identities } = services;
  const { properties, creationId, tags, description } = request;
  const { keyId, keySpec, keyUsage, primaryRegion, replicaRegions, origin } = properties;
  const caller = localCaller(request.caller, services);
  const asked = { request, services, ...caller, key: undefined };
  const permit = () => {
    checkPermission(creation, asked);
    if (tags.length > 0) checkPermission(tagging, asked);
  };
  permit();
  if (primaryRegion !== from || !replicaRegions.includes(services.replication.peers.own))
    throw new exceptions.ValidationException(`${keyId} is no key whose primary Region is ${from}.`);
  const usage = usageIn(stores.main, keySpec, keyUsage);
  if (!usage)
    throw new exceptions.ValidationException(
      `KeyUsage ${keyUsage} is not compatible with KeySpec ${keySpec}`,
    );
  checkMechanisms(stores.main, keySpec, keyUsage);
  checkTravels(stores.main, keySpec);
  if (origin === 'EXTERNAL') checkImportable(stores.main, usage);
  checkTags(tags, services.limits);
  const record: KeyRecord = {
    ...keyDefaults,
    ...keyPolicy(request.policy, identities),
    keyId,
    createdAt: Date.now() / 1000,
    description,
    keySpec,
    keyUsage,
    multiRegion: true,
    regions: { role: 'REPLICA', primaryRegion, replicaRegions, revision: 0, creationId },
    origin,
    tags,
    materials: [],
  };
  if (request.policy !== undefined && !request.bypassPolicyLockoutSafetyCheck)
    checkLockout(record, { ...asked, request: { bypassPolicyLockoutSafetyCheck: false } });
  const key = new Key(record, keyring.namer);
  const event = makeEvent(caller.origin, {
    operation: audited,
    request: { ...record, primaryRegion },
    requestId: randomUUID(),
    requestedBy: from,
    keys: [key],
    response: {},
  });
  const changes = () => {
    permit();
    checkFree(request, services);
    return [putKey(record)];
  };
  checkFree(request, services);
  recorder.checkAvailable();
  await recorder.commit({ changes }, event);
  return { createdAt: record.createdAt, policy: record.policy };
}

/** @throws AlreadyExistsException, ConflictException, LimitExceededException */
function checkFree(
  { properties: { keyId } }: Creation,
  { keyring, records, limits }: PeerContext['services'],
): void {
  const arn = keyring.namer.keyArn(keyId);
  if (keyring.key(keyId)) throw new exceptions.AlreadyExistsException(`Key ${arn} already exists.`);
  if (records.get(deletedReplicaPrefix + keyId) !== undefined) {
    throw new exceptions.ConflictException(
      `The primary Region does not know yet that ${arn} was deleted: try again when it does.`,
    );
  }
  if (keyring.count() >= limits.keys)
    throw new exceptions.LimitExceededException(`There are ${limits.keys} keys already, which is the limit.`);
}

/** Removes a replica key whose creation the primary Region did not record. Only one that is still being created is removed. */
export async function abandonReplicaKey(
  { from, services, recorder, event }: PeerContext,
  { keyId, creationId }: PeerRequest<'AbandonReplicaKey'>,
) {
  const { keyring } = services;
  const isAbandoned = () => {
    const { regions } = keyring.key(keyId)?.record ?? {};
    return regions?.creationId === creationId && regions.primaryRegion === from;
  };
  const key = keyring.key(keyId);
  if (!key || !isAbandoned()) return {};
  const changes = () => {
    if (!isAbandoned()) return [];
    const { record } = keyring.existing(keyId);
    const objects = materialsOf(record).map(({ objectId }) => intendDestruction(objectId));
    return [...removeKey(keyring, record), ...objects];
  };
  await recorder.commit(
    { changes },
    event('DeleteKey', key, { keyId, reason: 'ReplicateKey was not completed' }),
  );
  return {};
}
