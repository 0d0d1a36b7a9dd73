// The mixed load. A new action is one entry: it sends a request and puts an acknowledged result into the model.
import { randomBytes } from 'node:crypto';
import { importActions } from './import-actions.js';
import type { Lane } from './lane.js';
import {
  cancelling,
  enabling,
  type KnownCiphertext,
  type KnownKey,
  type Model,
  modifying,
  StateWatch,
  stateAfterCancelling,
  using,
} from './model.js';

export interface Action {
  readonly name: string;
  /** Relative frequency. */
  readonly weight: number;
  run(lane: Lane): Promise<void>;
}

/** Aliases of a key: with those in flight fewer than the limit of 50. */
const mostAliases = 25;

/** Maximum number of keys in a run: SoftHSM keeps each in a file and reads them all when a worker starts. */
const mostKeys = 2_000;

/** Rotations of a key on demand; the limit of a key is 25. */
const mostRotations = 20;

const pendingWindowInDays = 7;

export const actions: readonly Action[] = [
  ...importActions,
  {
    name: 'create-key',
    weight: 4,
    async run(lane) {
      const { model } = lane.world;
      if (model.keys.size >= mostKeys) return;
      const description = lane.newName();
      const { code, response } = await lane.call('createKey', { description });
      if (code === 'ok') model.addKey(response.keyMetadata.keyId, description);
      else lane.world.keyInterrupted();
      if (code === 'unknown') model.unsureKeys.add(description);
    },
  },
  {
    name: 'create-alias',
    weight: 4,
    async run(lane) {
      const { model } = lane.world;
      const key = lane.anyKey();
      if (!key || aliasesOf(model, key).length >= mostAliases) return;
      const aliasName = `alias/${lane.newName()}`;
      const request = { aliasName, targetKeyId: key.keyId };
      const { code } = await lane.call('createAlias', request, new StateWatch(modifying, key));
      if (code === 'ok') model.aliases.set(aliasName, key.keyId);
      else if (code === 'unknown') model.unsureAliases.set(aliasName, key.keyId);
    },
  },
  {
    name: 'enable-or-disable-key',
    weight: 4,
    async run(lane) {
      const key = lane.anyKey();
      if (!key || key.changing) return;
      // Most keys should be enabled most of the time.
      const enabled = lane.world.random.chance(0.8);
      const method = enabled ? 'enableKey' : 'disableKey';
      await lane.changeState(key, enabled ? 'Enabled' : 'Disabled', enabling, method, { keyId: key.keyId });
    },
  },
  {
    name: 'schedule-or-cancel-deletion',
    weight: 1,
    async run(lane) {
      const key = lane.anyKey();
      if (!key || key.changing) return;
      const { keyId } = key;
      if (key.state === 'PendingDeletion') {
        // Half of them are scheduled for deletion.
        if (lane.world.random.chance(0.5)) return;
        const after = stateAfterCancelling(key);
        if (!after) return;
        const code = await lane.changeState(key, after, cancelling, 'cancelKeyDeletion', { keyId });
        if (code === 'ok') key.mayGoAt = undefined;
        return;
      }
      const before = key.mayGoAt;
      key.mayGoAt = Date.now() + pendingWindowInDays * 86_400_000;
      const request = { keyId, pendingWindowInDays };
      const code = await lane.changeState(key, 'PendingDeletion', modifying, 'scheduleKeyDeletion', request);
      if (code !== 'ok' && code !== 'unknown') key.mayGoAt = before;
    },
  },
  {
    name: 'rotate-key-on-demand',
    weight: 2,
    async run(lane) {
      const key = lane.anyKey();
      if (!key || key.material || key.rotations.asked >= mostRotations) return;
      key.rotations.asked += 1;
      const { keyId } = key;
      const { code } = await lane.call('rotateKeyOnDemand', { keyId }, new StateWatch(using, key));
      if (code === 'ok') key.rotations.done += 1;
      else lane.world.keyInterrupted();
    },
  },
  {
    name: 'enable-key-rotation',
    weight: 1,
    async run(lane) {
      const key = lane.anyKey();
      if (!key || key.material) return;
      const request = { keyId: key.keyId, rotationPeriodInDays: 90 };
      await lane.call('enableKeyRotation', request, new StateWatch(using, key));
    },
  },
  {
    name: 'encrypt',
    weight: 30,
    async run(lane) {
      const { model, random } = lane.world;
      const key = lane.anyKey();
      if (!key) return;
      const plaintext = randomBytes(random.between(1, 200));
      const encryptionContext = { request: lane.newName() };
      const keyId = random.pick([key.keyId, ...aliasesOf(model, key)]);
      const request = { keyId, plaintext, encryptionContext };
      const { code, response } = await lane.call('encrypt', request, new StateWatch(using, key));
      if (code !== 'ok') return;
      const { ciphertextBlob } = response;
      model.ciphertexts.push({
        keyId: key.keyId,
        ciphertextBlob: ciphertextBlob,
        encryptionContext,
        plaintext,
      });
    },
  },
  {
    name: 'decrypt',
    weight: 30,
    async run(lane) {
      const ciphertext = lane.anyCiphertext();
      if (ciphertext) await decrypt(lane, ciphertext);
    },
  },
  {
    name: 'generate-data-key',
    weight: 10,
    async run(lane) {
      const key = lane.anyKey();
      if (!key) return;
      const { keyId } = key;
      const encryptionContext = { request: lane.newName() };
      const request = { keyId, encryptionContext, keySpec: 'AES_256' as const };
      const { code, response } = await lane.call('generateDataKey', request, new StateWatch(using, key));
      if (code !== 'ok') return;
      const { ciphertextBlob, plaintext } = response;
      lane.world.model.ciphertexts.push({
        keyId,
        ciphertextBlob: ciphertextBlob,
        encryptionContext,
        plaintext: plaintext,
      });
    },
  },
  {
    name: 'generate-data-key-without-plaintext',
    weight: 5,
    async run(lane) {
      const key = lane.anyKey();
      if (!key) return;
      const { keyId } = key;
      const encryptionContext = { request: lane.newName() };
      const request = { keyId, encryptionContext, numberOfBytes: 48 };
      const { code, response } = await lane.call(
        'generateDataKeyWithoutPlaintext',
        request,
        new StateWatch(using, key),
      );
      if (code !== 'ok') return;
      const { ciphertextBlob } = response;
      lane.world.model.ciphertexts.push({
        keyId,
        ciphertextBlob: ciphertextBlob,
        encryptionContext,
        plaintext: 48,
      });
    },
  },
  {
    name: 're-encrypt',
    weight: 10,
    async run(lane) {
      const { model } = lane.world;
      const source = lane.anyCiphertext();
      const destination = lane.anyKey();
      if (!source || !destination) return;
      const encryptionContext = { request: lane.newName() };
      const request = {
        ciphertextBlob: source.ciphertextBlob,
        sourceEncryptionContext: { ...source.encryptionContext },
        destinationKeyId: destination.keyId,
        destinationEncryptionContext: encryptionContext,
      };
      const watch = new StateWatch(using, model.keys.get(source.keyId)!, destination);
      const { code, response } = await lane.call('reEncrypt', request, watch);
      if (code !== 'ok') return;
      const { plaintext } = source;
      const { ciphertextBlob } = response;
      const { keyId } = destination;
      model.ciphertexts.push({ keyId, ciphertextBlob: ciphertextBlob, encryptionContext, plaintext });
    },
  },
  {
    name: 'generate-random',
    weight: 5,
    async run(lane) {
      const numberOfBytes = lane.world.random.between(1, 1024);
      const { code, response } = await lane.call('generateRandom', { numberOfBytes });
      if (code === 'ok' && response.plaintext?.length !== numberOfBytes) {
        lane.world.find(`GenerateRandom gave ${response.plaintext?.length} bytes, not ${numberOfBytes}`);
      }
    },
  },
];

/** Decrypts, and reports a fault if the result differs from the plaintext. */
export async function decrypt(lane: Lane, ciphertext: KnownCiphertext): Promise<void> {
  const { ciphertextBlob, plaintext, keyId } = ciphertext;
  const request = { ciphertextBlob, encryptionContext: { ...ciphertext.encryptionContext } };
  const { code, response } = await lane.call(
    'decrypt',
    request,
    new StateWatch(using, lane.world.model.keys.get(keyId)!),
  );
  if (code !== 'ok') return;
  const found = Buffer.from(response.plaintext);
  const matches = typeof plaintext === 'number' ? found.length === plaintext : found.equals(plaintext);
  if (!matches) lane.world.find(`a ciphertext of key ${keyId} decrypts to something else`);
}

function aliasesOf({ aliases }: Model, key: KnownKey): string[] {
  return [...aliases].filter(([, keyId]) => keyId === key.keyId).map(([name]) => name);
}
