// EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand, ListKeyRotations.
import { exceptions, type ServiceError } from '../../../proto/errors.js';
import type { EnableKeyRotationRequest } from '../../../proto/generated/messages.js';
import {
  checkNoReplica,
  hasReplicas,
  hasRotations,
  isRotatable,
  type Key,
  onDemandRotations,
  putKey,
  replicasWithout,
  rotationFrom,
  rotationsOf,
  withRotation,
} from '../../keys/index.js';
import { type AnyOperation, operation, type Services } from '../../pipeline/operation.js';
import { page } from '../shared/paging.js';
import { keyIdOrArn } from '../shared/key-resolvers.js';

/**
 * The rotation period in days: the request's, else that of a rotation which is already enabled, else a year or the nearest
 * period that the limits allow.
 */
function periodOf(
  { rotationPeriodInDays }: EnableKeyRotationRequest,
  key: Key | undefined,
  limits: Services['limits'],
): number {
  const { shortestRotationPeriodInDays: shortest, longestRotationPeriodInDays: longest } = limits;
  const enabled = key?.record.rotation?.periodInDays;
  return rotationPeriodInDays ?? enabled ?? Math.max(shortest, Math.min(365, longest));
}

const enableKeyRotation = operation({
  name: 'EnableKeyRotation',
  service: 'kms',
  readOnly: false,
  permissions: [
    {
      action: 'kms:EnableKeyRotation',
      key: keyIdOrArn('keyId'),
      conditionKeys: {
        'kms:RotationPeriodInDays': ({ request, key, services }) =>
          String(periodOf(request, key, services.limits)),
      },
    },
  ],
  states: 'scheduleRotation',
  audited: ['keyId', 'rotationPeriodInDays'],
  handle({ request, key, services: { keyring, limits } }) {
    checkNoReplica(key);
    checkRotatable(key);
    const now = Date.now() / 1000;
    const changes = () => {
      const present = keyring.existing(key.record.keyId);
      checkNoReplica(present);
      const { record } = present;
      const period = periodOf(request, present, limits);
      // As in AWS KMS, a rotation that is already enabled keeps its date unless the request has another period.
      if (record.rotation?.periodInDays === period) return [];
      return [putKey({ ...record, rotation: rotationFrom(now, period) })];
    };
    return { response: {}, changes };
  },
});

const disableKeyRotation = operation({
  name: 'DisableKeyRotation',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:DisableKeyRotation', key: keyIdOrArn('keyId') }],
  states: 'scheduleRotation',
  audited: ['keyId'],
  handle({ key, services: { keyring } }) {
    checkNoReplica(key);
    // An asymmetric or HMAC key has no rotation to disable: AWS KMS reports success.
    if (key.record.keySpec === 'SYMMETRIC_DEFAULT') checkRotatable(key);
    return {
      response: {},
      changes: () => {
        const now = keyring.existing(key.record.keyId);
        checkNoReplica(now);
        return [putKey({ ...now.record, rotation: undefined })];
      },
    };
  },
});

const getKeyRotationStatus = operation({
  name: 'GetKeyRotationStatus',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:GetKeyRotationStatus', key: keyIdOrArn('keyId') }],
  states: 'rotationStatus',
  audited: ['keyId'],
  handle({ key }) {
    // Keys that cannot rotate have no rotation ("GetKeyRotationStatus", API Reference: "always false").
    const { deletion, rotation } = key.record;
    // A key that is pending deletion keeps its rotation, in case the deletion is cancelled.
    const shown = deletion || !isRotatable(key.record) ? undefined : rotation;
    const response = {
      keyId: key.arn,
      keyRotationEnabled: shown !== undefined,
      rotationPeriodInDays: shown?.periodInDays,
      nextRotationDate: shown?.nextAt,
    };
    return { response };
  },
});

/** Seconds before an automatic rotation in which AWS KMS refuses one on demand ("RotateKeyOnDemand", API Reference). */
const quietPeriod = 20 * 60;

const rotateKeyOnDemand = operation({
  name: 'RotateKeyOnDemand',
  service: 'kms',
  readOnly: false,
  permissions: [{ action: 'kms:RotateKeyOnDemand', key: keyIdOrArn('keyId') }],
  states: 'rotate',
  audited: ['keyId'],
  auditedResponse: (response) => response,
  async handle({ key, services }) {
    checkNoReplica(key);
    checkRotations(key);
    const { onDemandRotationsPerKey: limit } = services.limits;
    const checkLimit = ({ record }: Key) => {
      if (onDemandRotations(record) < limit) return;
      throw new exceptions.LimitExceededException(
        'The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be ' +
          `performed for this key: ${key.arn}`,
      );
    };
    checkLimit(key);
    const { nextAt = Infinity } = key.record.rotation ?? {};
    if (nextAt - Date.now() / 1000 < quietPeriod) {
      throw new exceptions.ConflictException(
        `The automatic rotation of ${key.arn} begins within 20 minutes: wait until it is done.`,
      );
    }
    if (!isRotatable(key.record)) return rotateToImported(key, services, checkLimit);
    const { materialId, changes, undo } = await services.materials.prepareRotation(
      key,
      'ON_DEMAND',
      checkLimit,
    );
    return { response: { keyId: key.arn }, keyMaterialId: materialId, changes, undo };
  },
});

const listKeyRotations = operation({
  name: 'ListKeyRotations',
  service: 'kms',
  readOnly: true,
  permissions: [{ action: 'kms:ListKeyRotations', key: keyIdOrArn('keyId') }],
  states: 'read',
  audited: ['keyId', 'includeKeyMaterial', 'limit', 'marker'],
  handle({ request, key }) {
    if (request.includeKeyMaterial !== undefined && key.record.keySpec !== 'SYMMETRIC_DEFAULT') {
      throw new exceptions.ValidationException(
        'Input parameter includeKeyMaterial can only be used with symmetric keys.',
      );
    }
    // Keys that cannot rotate have an empty list.
    if (!hasRotations(key.record)) return { response: { rotations: [], truncated: false } };
    const all = request.includeKeyMaterial === 'ALL_KEY_MATERIAL';
    const { items, truncated, nextMarker } = page(
      request,
      100,
      (after) => [...rotationsOf(key, after)].filter(({ rotationType }) => all || rotationType !== undefined),
      ({ name }) => name,
    );
    return { response: { rotations: items, truncated, nextMarker } };
  },
});

export const rotationOperations: readonly AnyOperation[] = [
  enableKeyRotation,
  disableKeyRotation,
  getKeyRotationStatus,
  rotateKeyOnDemand,
  listKeyRotations,
];

/** Makes the imported material that waits for a rotation the current one. */
function rotateToImported(key: Key, { keyring }: Services, check: (key: Key) => void) {
  const { keyId } = key.record;
  const rotate = (now: Key) => {
    const { pendingMaterial } = now.record;
    if (pendingMaterial && now.material(pendingMaterial.materialId)?.missing !== undefined) {
      throw new exceptions.KMSInvalidStateException(
        `The HSM does not hold the key material ${pendingMaterial.materialId} that waits for its rotation: import it again.`,
      );
    }
    const lacking = hasReplicas(now.record) ? replicasWithout(now.record) : [];
    if (pendingMaterial && lacking.length > 0) {
      throw new exceptions.KMSInvalidStateException(
        `No available key material pending rotation for the key: ${now.arn}. The key material ` +
          `${pendingMaterial.materialId} was not imported into the replica keys in ${lacking.join(', ')} yet.`,
      );
    }
    return withRotation(now, Date.now() / 1000);
  };
  const keyMaterialId = rotate(key).materials.at(-1)?.materialId;
  const changes = () => {
    const now = keyring.existing(keyId);
    checkNoReplica(now);
    check(now);
    return [putKey(rotate(now))];
  };
  return { response: { keyId: key.arn }, keyMaterialId, changes };
}

/** @throws UnsupportedOperationException for a key that has one material for its whole life */
function checkRotations(key: Key): void {
  if (!hasRotations(key.record)) throw cannotRotate(key);
}

/** @throws UnsupportedOperationException for a key that gets no new material from the HSM */
function checkRotatable(key: Key): void {
  if (!isRotatable(key.record)) throw cannotRotate(key);
}

/** AWS KMS names the origin, and sends no message where the key spec is the reason. */
function cannotRotate({ arn, record: { keySpec, origin } }: Key): ServiceError {
  const reason =
    keySpec === 'SYMMETRIC_DEFAULT'
      ? `${arn} origin is ${origin} which is not valid for this operation.`
      : '';
  return new exceptions.UnsupportedOperationException(reason);
}
