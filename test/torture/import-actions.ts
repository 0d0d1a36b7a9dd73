// Keys with imported material, which is deleted and imported again.
import { constants, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto';
import type { Action } from './actions.js';
import type { Lane } from './lane.js';
import { type KnownKey, type KnownMaterial, type KnownState, modifying, StateWatch } from './model.js';

const mostExternalKeys = 60;

export const importActions: readonly Action[] = [
  {
    name: 'create-external-key',
    weight: 1,
    async run(lane) {
      const { model } = lane.world;
      if ([...model.keys.values()].filter(({ material }) => material).length >= mostExternalKeys) return;
      const description = lane.newName();
      const { code, response } = await lane.call('createKey', { description, origin: 'EXTERNAL' });
      if (code === 'ok') model.addKey(response.keyMetadata.keyId, description, 'PendingImport', true);
      else if (code === 'unknown') model.unsureKeys.add(description);
    },
  },
  {
    name: 'import-key-material',
    weight: 3,
    async run(lane) {
      const key = lane.anyExternalKey();
      if (!key?.material || key.changing || key.state === undefined) return;
      const { material } = key;
      key.changing = true;
      const parameters = await parametersOf(lane, key, material);
      key.changing = false;
      if (!parameters) return;
      const isOther = material.isKnown && lane.world.random.chance(0.2);
      const request = {
        keyId: key.keyId,
        importToken: parameters.importToken,
        encryptedKeyMaterial: wrap(parameters.publicKey, isOther ? randomBytes(32) : material.value),
        expirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' as const,
      };
      if (isOther) {
        await lane.call('importKeyMaterial', request, new StateWatch(importing, key));
        return;
      }
      const after: KnownState = key.state === 'PendingImport' ? 'Enabled' : key.state;
      const before = material.present;
      material.present = undefined;
      const code = await lane.changeState(key, after, modifying, 'importKeyMaterial', request);
      if (code === 'ok') material.isKnown = material.present = true;
      else if (code !== 'unknown') material.present = before;
      if (code !== 'ok') lane.world.keyInterrupted();
    },
  },
  {
    name: 'delete-imported-key-material',
    weight: 1,
    async run(lane) {
      const key = lane.anyExternalKey();
      if (!key?.material || key.changing || key.state === undefined || key.state === 'PendingDeletion')
        return;
      const { keyId } = key;
      const code = await lane.changeState(key, 'PendingImport', {}, 'deleteImportedKeyMaterial', { keyId });
      key.material.present = code === 'ok' ? false : undefined;
    },
  },
];

/** Material other than the first is refused in every state. */
const importing = {
  Enabled: 'IncorrectKeyMaterialException',
  Disabled: 'IncorrectKeyMaterialException',
  PendingImport: 'IncorrectKeyMaterialException',
  PendingDeletion: 'KMSInvalidStateException',
} as const;

async function parametersOf(
  lane: Lane,
  key: KnownKey,
  material: KnownMaterial,
): Promise<KnownMaterial['parameters']> {
  if (material.parameters && material.parameters.validTo > Date.now() / 1000 + 60) return material.parameters;
  const request = {
    keyId: key.keyId,
    wrappingAlgorithm: 'RSAES_OAEP_SHA_1',
    wrappingKeySpec: 'RSA_2048',
  } as const;
  const { code, response } = await lane.call(
    'getParametersForImport',
    request,
    new StateWatch(modifying, key),
  );
  if (code !== 'ok') {
    // A pair is two objects.
    lane.world.keyInterrupted();
    lane.world.keyInterrupted();
    return undefined;
  }
  const { importToken, publicKey, parametersValidTo } = response;
  return (material.parameters = {
    importToken: importToken,
    publicKey: publicKey,
    validTo: parametersValidTo,
  });
}

function wrap(publicKey: Uint8Array, material: Buffer): Buffer {
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, material);
}
