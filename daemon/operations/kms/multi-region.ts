// ReplicateKey, UpdatePrimaryRegion. What other Regions do for them is in operations/regions.
import { exceptions } from '../../../proto/errors.js';
import { principalArn, sessionOf } from '../../identity/caller.js';
import {
  checkPrimary,
  Key,
  keyDefaults,
  keyMetadata,
  type KeyRecord,
  mostReplicas,
  Namer,
  putKey,
  regionsOf,
} from '../../keys/index.js';
import { checkPermission } from '../../pipeline/authorization.js';
import { type AnyOperation, type HandlerContext, operation } from '../../pipeline/operation.js';
import type { ReplicateKeyRequest } from '../../../proto/generated/messages.js';
import { creation, type CreationFacts, tagging } from '../shared/replica-permissions.js';
import type { PeerCaller } from '../../regions/replication.js';
import { keyIdOrArn } from '../shared/key-resolvers.js';
import { checkTags } from './tags.js';

const replicateKey = operation({
  name: 'ReplicateKey',
  service: 'kms',
  readOnly: false,
  // The other Region checks kms:CreateKey and, for tags, kms:TagResource.
  permissions: [
    {
      action: 'kms:ReplicateKey',
      key: keyIdOrArn('keyId'),
      conditionKeys: { 'kms:ReplicaRegion': ({ request }) => request.replicaRegion },
    },
  ],
  states: 'replicate',
  audited: ['keyId', 'replicaRegion', 'policy', 'bypassPolicyLockoutSafetyCheck', 'description', 'tags'],
  auditedResponse: (response) => response,
  async handle(context) {
    const { request, key, services } = context;
    const {
      replicaRegion,
      policy,
      bypassPolicyLockoutSafetyCheck = false,
      description = '',
      tags = [],
    } = request;
    checkPrimary(key);
    checkTags(tags, services.limits);
    checkNew(key, replicaRegion, services.keyring.namer);
    checkSession(context, replicaRegion);
    const caller = peerCaller(context);
    const own = { policy, bypassPolicyLockoutSafetyCheck, description, tags };
    const created = await services.replication.createReplica(key, replicaRegion, caller, own);
    const replica = replicaOf(key, replicaRegion, services.keyring.namer, {
      description,
      tags,
      createdAt: created.createdAt,
    });
    return {
      response: {
        replicaKeyMetadata: replica,
        replicaPolicy: created.policy,
        replicaTags: tags.length > 0 ? tags : undefined,
      },
      changes: created.changes,
      undo: created.undo,
      finish: created.finish,
    };
  },
});

const updatePrimaryRegion = operation({
  name: 'UpdatePrimaryRegion',
  service: 'kms',
  readOnly: false,
  // The other Region checks the same permission on its replica.
  permissions: [
    {
      action: 'kms:UpdatePrimaryRegion',
      key: keyIdOrArn('keyId'),
      conditionKeys: { 'kms:PrimaryRegion': ({ request }) => request.primaryRegion },
    },
  ],
  states: 'movePrimary',
  audited: ['keyId', 'primaryRegion'],
  async handle(context) {
    const { request, key, services } = context;
    const { primaryRegion } = request;
    checkPrimary(key);
    const { namer } = services.keyring;
    if (primaryRegion === namer.region)
      throw new exceptions.UnsupportedOperationException(`${key.arn} is the primary key already.`);
    checkReplicaIn(key.record, primaryRegion, namer);
    await services.replication.preparePrimary(key, primaryRegion, peerCaller(context));
    return {
      response: {},
      changes: () => {
        const now = services.keyring.existing(key.record.keyId);
        // Another request may have moved it meanwhile.
        checkPrimary(now);
        const { record } = now;
        const regions = checkReplicaIn(record, primaryRegion, namer);
        if (regions.asked !== undefined)
          throw new exceptions.ConflictException(`A replica of ${key.arn} is being created: try again.`);
        return [putKey({ ...record, regions: { ...regions, movingTo: primaryRegion } })];
      },
    };
  },
});

export const multiRegionOperations: readonly AnyOperation[] = [replicateKey, updatePrimaryRegion];

/** @throws AlreadyExistsException, LimitExceededException */
function checkNew({ arn, record }: Key, region: string, { account, region: own }: Namer): void {
  const { replicaRegions } = regionsOf(record, own);
  // Whether a Region that should have a replica has it is for that Region to say: its store may have been restored.
  if (region === own) {
    const related = new Namer(account, region).keyArn(record.keyId);
    throw new exceptions.AlreadyExistsException(`Key ${related} already exists.`);
  }
  if (replicaRegions.length >= mostReplicas && !replicaRegions.includes(region)) {
    throw new exceptions.LimitExceededException(
      `${arn} has ${mostReplicas} replica keys, which is the limit.`,
    );
  }
}

/** @throws NotFoundException if a key has no replica in a Region */
function checkReplicaIn(record: KeyRecord, region: string, { account, region: own }: Namer) {
  const regions = regionsOf(record, own);
  if (regions.replicaRegions.includes(region)) return regions;
  const related = new Namer(account, region).keyArn(record.keyId);
  throw new exceptions.NotFoundException(`Key '${related}' does not exist`);
}

/**
 * Makes what another Region learns of the caller. It looks up its own principal with that name, which has no session
 * policies: {@link checkSession} decides those here.
 */
function peerCaller<Request>({ caller, origin }: HandlerContext<Request>): PeerCaller {
  const { sourceAddress, userAgent } = origin;
  return { arn: caller.type === 'AssumedRole' ? caller.arn : principalArn(caller), sourceAddress, userAgent };
}

/**
 * Checks that the policies of a session allow what the other Region decides without them: the creation of the replica key.
 * @throws AccessDeniedException
 */
function checkSession(context: HandlerContext<ReplicateKeyRequest>, region: string): void {
  const { caller, origin, services, request, key } = context;
  const session = sessionOf(caller);
  const isLimited =
    session && 'policies' in session && (session.policy !== undefined || session.policies.length > 0);
  if (!isLimited) return;
  const { keySpec, keyUsage, origin: keyOrigin } = key.record;
  const { tags = [], bypassPolicyLockoutSafetyCheck = false } = request;
  const facts: CreationFacts = {
    properties: {
      keySpec,
      keyUsage,
      origin: keyOrigin === 'EXTERNAL' ? 'EXTERNAL' : 'AWS_KMS',
      primaryRegion: services.keyring.namer.region,
    },
    bypassPolicyLockoutSafetyCheck,
    tags,
  };
  const asked = { request: { ...facts }, key: undefined, services, caller, origin: { ...origin, region } };
  checkPermission(creation, asked);
  if (tags.length > 0) checkPermission(tagging, asked);
}

/** The metadata of a new replica key: it has no material yet. */
function replicaOf(
  { record }: Key,
  region: string,
  { account, region: own }: Namer,
  properties: Pick<KeyRecord, 'description' | 'tags' | 'createdAt'>,
) {
  const { primaryRegion, replicaRegions } = regionsOf(record, own);
  const regions = {
    role: 'REPLICA' as const,
    primaryRegion,
    replicaRegions: [...replicaRegions, region],
    revision: 0,
    creationId: '',
  };
  const { keyId, keySpec, keyUsage, origin } = record;
  const replica: KeyRecord = {
    ...keyDefaults,
    ...properties,
    ...{ keyId, keySpec, keyUsage, origin, regions },
    multiRegion: true,
    policy: '',
    materials: [],
  };
  const namer = new Namer(account, region);
  return keyMetadata(new Key(replica, namer), namer);
}
