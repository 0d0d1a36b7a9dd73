// What a key's record says of its rotations.
import type { RotationsListEntry } from '../../proto/generated/messages.js';
import type { Key } from './keyring.js';
import type { KeyRecord } from './record.js';

const secondsPerDay = 86_400;

/** Whether the key can get a new material: symmetric encryption keys whose material the HSM made. */
export function isRotatable({ keySpec, origin }: KeyRecord): boolean {
  return keySpec === 'SYMMETRIC_DEFAULT' && origin === 'AWS_KMS';
}

/** Automatic rotation as it is from now on. @param now epoch seconds */
export function rotationFrom(now: number, periodInDays: number): NonNullable<KeyRecord['rotation']> {
  return { periodInDays, nextAt: now + periodInDays * secondsPerDay };
}

/** How often a key was rotated on demand. */
export function onDemandRotations({ materials }: KeyRecord): number {
  return materials.filter(({ rotationType }) => rotationType === 'ON_DEMAND').length;
}

/** A key's materials as ListKeyRotations shows them, oldest first. A name is a position, since materials only come. */
export function* rotationsOf(
  { arn, record: { materials } }: Key,
  after: string,
): Iterable<RotationsListEntry & { readonly name: string }> {
  for (const [index, { materialId, createdAt, rotationType }] of materials.entries()) {
    const name = String(index).padStart(8, '0');
    if (name <= after) continue;
    yield {
      name,
      keyId: arn,
      keyMaterialId: materialId,
      keyMaterialState: index === materials.length - 1 ? 'CURRENT' : 'NON_CURRENT',
      rotationDate: rotationType && createdAt,
      rotationType,
    };
  }
}
