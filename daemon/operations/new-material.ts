import { exceptions } from '../../proto/errors.js';
import type { RotationType } from '../../proto/generated/messages.js';
import type { ImportedMaterial, ObjectId } from '../hsm/key-store.js';
import { finishDestruction, intendDestruction } from '../keys/destructions.js';
import { type Import, materialIdOf, withImport } from '../keys/imported-material.js';
import { generateMaterial, importMaterial } from '../keys/intents.js';
import { type Key, putKey } from '../keys/keyring.js';
import { isRotatable, rotationFrom } from '../keys/rotation.js';
import { checkMechanisms } from '../keys/mechanisms.js';
import { usageIn } from '../keys/specs.js';
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
  const store = stores.of(key);
  const usage = usageIn(store, keySpec, keyUsage)!;
  checkMechanisms(store, keySpec, keyUsage);
  const { template, suite } = usage;
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

/**
 * Imports material into a key of origin EXTERNAL, whose record names it when the changes are committed.
 * @param perform importWrapped or importPlaintext of the key's store, with the CKA_ID and label that it is given
 * @param facts what the caller says of the material
 * @returns also what is left to do once the changes count
 * @throws HsmError, IncorrectKeyMaterialException, KMSInvalidStateException; then nothing of it is left in the HSM
 */
export async function prepareImport(
  key: Key,
  {
    keyring,
    records,
    stores,
    internalKeys,
  }: Pick<Services, 'keyring' | 'records' | 'stores' | 'internalKeys'>,
  perform: (id: ObjectId, label: string) => Promise<ImportedMaterial>,
  facts: Pick<Import, 'validTo' | 'importType' | 'expectedId' | 'description'>,
): Promise<Change & { readonly materialId: string; readonly finish: () => Promise<void> }> {
  const { keyId } = key.record;
  const made = await importMaterial(records, stores.of(key), `keyhold/${keyId}`, perform);
  const objectId = made.objectId.toString('hex');
  try {
    const { checkValue, leftHsm } = made.imported;
    const materialId = await materialIdOf(stores.main, internalKeys['material-ids'], key.record, checkValue);
    const imported = { ...facts, arn: key.arn, materialId, objectId, at: Date.now() / 1000, leftHsm };
    const imports = (now: Key) =>
      withImport(now.record, imported, (id) => now.material(id)?.missing !== undefined);
    // Now too, so that what is wrong costs no write.
    imports(key);
    let takesObject = true;
    let replaced: string | undefined;
    const changes = () => {
      const result = imports(keyring.existing(keyId));
      ({ takesObject, replaced } = result);
      // Where the object is not needed its intent stays, and finish() makes an end of both.
      if (!takesObject) return [putKey(result.record)];
      const destruction = replaced === undefined ? [] : [intendDestruction(replaced)];
      return [putKey(result.record), made.commit, ...destruction];
    };
    const finish = async () => {
      if (!takesObject) await made.undo();
      if (replaced !== undefined) await finishDestruction(records, stores.of(key), replaced);
    };
    return { materialId, changes, undo: () => made.undo(), finish };
  } catch (error) {
    await made.undo();
    throw error;
  }
}
