import { exceptions } from '../../proto/errors.js';
import type { RotationType } from '../../proto/generated/messages.js';
import { generateMaterial } from '../keys/intents.js';
import { type Key, putKey } from '../keys/keyring.js';
import { isRotatable, rotationFrom } from '../keys/rotation.js';
import { keySpecs } from '../keys/specs.js';
import type { Services } from './operation.js';
import type { Change } from './recorder.js';

/**
 * Makes new material for a key, which becomes current when the changes are committed.
 * @param check what must hold of the key when the changes are committed; it throws where it does not
 * @throws HsmError, UnsupportedOperationException
 */
export async function prepareRotation(
  key: Key,
  rotationType: RotationType,
  { keyring, records, stores }: Pick<Services, 'keyring' | 'records' | 'stores'>,
  check: (key: Key) => void,
): Promise<Change & { readonly materialId: string }> {
  const { keyId, keySpec, keyUsage } = key.record;
  if (!isRotatable(key.record)) {
    throw new exceptions.UnsupportedOperationException(`${key.arn} gets no material that the HSM makes.`);
  }
  const { usages, suite } = keySpecs[keySpec];
  const store = stores.of(key);
  const { template } = usages[keyUsage]!;
  // Before there is anything that a failure would leave behind.
  const materialId = (await store.random(32)).toString('hex');
  const material = await generateMaterial(records, store, `keyhold/${keyId}`, template);
  const createdAt = Date.now() / 1000;
  const objectId = material.objectId.toString('hex');
  const changes = () => {
    const now = keyring.existing(keyId);
    check(now);
    const { rotation, materials } = now.record;
    const next =
      rotation && rotationType === 'AUTOMATIC' ? rotationFrom(createdAt, rotation.periodInDays) : rotation;
    const rotated = [...materials, { materialId, objectId, suite, createdAt, rotationType }];
    return [putKey({ ...now.record, materials: rotated, rotation: next }), material.commit];
  };
  return { materialId, changes, undo: () => material.undo() };
}
