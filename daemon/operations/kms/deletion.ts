// ScheduleKeyDeletion, CancelKeyDeletion. The scheduler deletes the key when its waiting period is over.
import { exceptions } from '../../../proto/errors.js';
import type {
  ScheduleKeyDeletionRequest,
  ScheduleKeyDeletionResponse,
} from '../../../proto/generated/messages.js';
import { hasReplicas, type Key, type Keyring, putKey } from '../../keys/index.js';
import { type AnyOperation, operation, type Outcome, type Services } from '../../pipeline/operation.js';
import { keyIdOrArn } from '../shared/key-resolvers.js';

const secondsPerDay = 86_400;

/** The waiting period in days; the longest one if the request names none. */
function windowOf({ pendingWindowInDays }: ScheduleKeyDeletionRequest, limits: Services['limits']): number {
  return pendingWindowInDays ?? limits.longestPendingWindowInDays;
}

const scheduleKeyDeletion = operation({
  name: 'ScheduleKeyDeletion',
  service: 'kms',
  readOnly: false,
  permissions: [
    {
      action: 'kms:ScheduleKeyDeletion',
      key: keyIdOrArn('keyId'),
      conditionKeys: {
        'kms:ScheduleKeyDeletionPendingWindowInDays': ({ request, services }) =>
          String(windowOf(request, services.limits)),
      },
    },
  ],
  states: 'scheduleDeletion',
  audited: ['keyId', 'pendingWindowInDays'],
  auditedDefaults: ({ longestPendingWindowInDays }) => ({ pendingWindowInDays: longestPendingWindowInDays }),
  auditedResponse: (response) => response,
  handle({ request, key, services: { keyring, limits } }) {
    const pendingWindowInDays = windowOf(request, limits);
    if (hasReplicas(key.record)) return waitForReplicas(key, pendingWindowInDays, keyring);
    const deletionDate = Date.now() / 1000 + pendingWindowInDays * secondsPerDay;
    const deletion = { at: deletionDate, windowInDays: pendingWindowInDays, begun: false };
    return {
      response: { keyId: key.arn, deletionDate, keyState: 'PendingDeletion', pendingWindowInDays },
      changes: () => {
        const now = keyring.existing(key.record.keyId);
        if (hasReplicas(now.record))
          throw new exceptions.ConflictException(`${key.arn} has a replica now: try again.`);
        return [putKey({ ...now.record, deletion })];
      },
    };
  },
});

/** The waiting period of a primary key begins when its last replica key is deleted, as in AWS KMS. */
function waitForReplicas(
  key: Key,
  windowInDays: number,
  keyring: Keyring,
): Outcome<ScheduleKeyDeletionResponse> {
  return {
    response: { keyId: key.arn, keyState: 'PendingReplicaDeletion', pendingWindowInDays: windowInDays },
    changes: () => {
      const { record } = keyring.existing(key.record.keyId);
      if (!hasReplicas(record))
        throw new exceptions.ConflictException(`${key.arn} has no replica any more: try again.`);
      return [putKey({ ...record, replicaDeletion: { windowInDays } })];
    },
  };
}

const cancelKeyDeletion = operation({
  name: 'CancelKeyDeletion',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:CancelKeyDeletion', key: keyIdOrArn('keyId') }],
  states: 'cancelDeletion',
  audited: ['keyId'],
  auditedResponse: (response) => response,
  handle: ({ key, services: { keyring } }) => ({
    response: { keyId: key.arn },
    changes: () => {
      const { record } = keyring.existing(key.record.keyId);
      if (record.deletion?.begun) {
        throw new exceptions.KMSInvalidStateException(
          `The waiting period of ${key.arn} is over and its deletion has begun: it cannot be cancelled any more.`,
        );
      }
      return [putKey({ ...record, enabled: false, deletion: undefined, replicaDeletion: undefined })];
    },
  }),
});

export const deletionOperations: readonly AnyOperation[] = [scheduleKeyDeletion, cancelKeyDeletion];
