// What a primary Region asks before a replica key of this Region becomes the primary key: PreparePrimary.
import { randomUUID } from 'node:crypto';
import { exceptions } from '../../../proto/errors.js';
import { checkState } from '../../keys/index.js';
import { makeEvent } from '../../pipeline/audit-event.js';
import { checkPermission } from '../../pipeline/authorization.js';
import type { PeerRequest } from '../../regions/messages.js';
import { follower } from './follower.js';
import { localCaller } from './local-caller.js';
import type { PeerContext } from './peer-context.js';

/**
 * Checks that a replica key may become the primary key, and that the caller may make it so (AWS KMS API Reference,
 * "UpdatePrimaryRegion": the permission is needed on both keys).
 * @throws ServiceError, KeyError
 */
export async function preparePrimary(
  { from, services, recorder }: PeerContext,
  request: PeerRequest<'PreparePrimary'>,
) {
  const { keyring } = services;
  const { peers } = services.replication;
  const key = keyring.existing(request.keyId);
  const { regions } = follower(key, from);
  const local = localCaller(request.caller, services);
  const asked = { request: { keyId: key.arn, primaryRegion: peers.own }, key, services, ...local };
  checkPermission({ ...movePermission, key: () => key }, asked);
  checkState(key, 'movePrimary');
  const others = regions!.replicaRegions.filter((region) => region !== peers.own);
  const unlinked = others.filter((region) => !peers.linked().includes(region));
  if (unlinked.length > 0) {
    throw new exceptions.KMSInvalidStateException(
      `The Region ${peers.own} is not linked with ${unlinked.join(', ')}, where ${request.keyId} has replicas: link them first.`,
    );
  }
  const event = makeEvent(local.origin, {
    operation: audited,
    request: asked.request,
    requestId: randomUUID(),
    requestedBy: from,
    keys: [key],
    response: {},
  });
  await recorder.append(event);
  return {};
}

/** How the event looks: as the one of the Region that was asked. */
const audited = {
  name: 'UpdatePrimaryRegion',
  service: 'kms',
  readOnly: false,
  audited: ['keyId', 'primaryRegion'],
} as const;

const movePermission = {
  action: 'kms:UpdatePrimaryRegion',
  conditionKeys: {
    'kms:PrimaryRegion': ({ request }: { readonly request: Record<string, unknown> }) =>
      request.primaryRegion as string,
  },
};
