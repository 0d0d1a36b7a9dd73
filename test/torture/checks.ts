// Checks after each round. A new check is one entry.
import { join } from 'node:path';
import type { TestDaemon } from '../support/daemon.js';
import { decrypt } from './actions.js';
import type { AuditReader, Replay } from './audit.js';
import type { Lane, World } from './lane.js';
import { type KnownKey, type KnownState, mayBeGone, StateWatch } from './model.js';
import { strayWorkers, within } from '../support/processes.js';
import { listToken, objectFiles, type ObservedObject } from './token.js';

/** The context of a check. Only the checks send requests meanwhile. */
export interface Scene {
  readonly world: World;
  readonly daemon: TestDaemon;
  readonly lane: Lane;
  readonly audit: AuditReader;
  readonly replay: Replay;
  /** The token's objects before the first round. */
  readonly original: readonly ObservedObject[];
  /** The daemon was started after all faults: nothing can be unfinished. */
  readonly restarted: boolean;
  /** Number of ciphertexts to decrypt. */
  readonly sample: number;
  /** Results of ListKeys and ListAliases, set by the first check. */
  readonly listed: {
    keys: Map<string, KnownState>;
    rotations: Map<string, number>;
    aliases: Map<string, string>;
  };
}

export interface Check {
  readonly promise: string;
  run(scene: Scene): Promise<void> | void;
}

/** The checks, in order. */
export const checks: readonly Check[] = [
  {
    promise: 'no worker of a dead daemon is left',
    async run({ world, daemon }) {
      const gone = await within(2_000, () => strayWorkers(daemon.home, daemon.pid).length === 0);
      if (!gone)
        world.find(`workers of a dead daemon are alive: ${strayWorkers(daemon.home, daemon.pid).join()}`);
    },
  },
  {
    promise: 'a key whose time has come is deleted',
    async run({ world, lane }) {
      const due = [...world.model.keys.values()].filter(mayBeGone);
      const isDone = async ({ keyId }: KnownKey) => {
        const { response } = await lane.call(
          'describeKey',
          { keyId },
          new StateWatch({}, world.model.keys.get(keyId)!),
        );
        return response?.keyMetadata?.keyState !== 'PendingDeletion';
      };
      for (const key of due) {
        if (!(await within(20_000, () => isDone(key))))
          world.find(`the deletion of key ${key.keyId} is overdue`);
      }
    },
  },
  {
    promise: 'every acknowledged key is there, in its state',
    async run(scene) {
      const { world, lane, listed } = scene;
      const { model } = world;
      for (const keyId of await listKeys(lane)) {
        const { response } = await lane.call('describeKey', { keyId });
        const { description = '', keyState, origin } = response?.keyMetadata ?? {};
        if (!isKnownState(keyState)) {
          world.find(`key ${keyId} is ${keyState}`);
          continue;
        }
        listed.keys.set(keyId, keyState);
        let known = model.keys.get(keyId);
        if (!known) {
          if (!model.unsureKeys.delete(description))
            world.find(`there is a key ${keyId} that nobody asked for`);
          known = model.addKey(keyId, description, keyState, origin === 'EXTERNAL');
          if (origin !== 'EXTERNAL') await use(lane, keyId);
        }
        known.state ??= keyState;
        if (known.material && keyState !== 'PendingDeletion')
          known.material.present = keyState !== 'PendingImport';
        if (known.state !== keyState)
          world.find(`key ${keyId} is ${keyState}, which is not what was acknowledged`);
        if (keyState !== 'PendingDeletion') known.mayGoAt = undefined;
        if (known.description !== description) world.find(`key ${keyId} has another description`);
      }
      for (const [keyId, key] of model.keys) {
        if (listed.keys.has(keyId)) continue;
        if (!mayBeGone(key)) world.find(`the acknowledged key ${keyId} is gone`);
        model.forget(keyId);
      }
      model.unsureKeys.clear();
    },
  },
  {
    promise: 'every acknowledged rotation has come about',
    async run({ world, lane, listed }) {
      for (const [keyId, { rotations, material }] of world.model.keys) {
        if (material) continue;
        const { response } = await lane.call('listKeyRotations', { keyId, limit: 1000 });
        const found = response?.rotations ?? [];
        if (found.length > 0) listed.rotations.set(keyId, found.length);
        const onDemand = found.filter(({ rotationType }) => rotationType === 'ON_DEMAND').length;
        if (onDemand < rotations.done || onDemand > rotations.asked)
          world.find(
            `key ${keyId} was rotated ${onDemand} times, of which ${rotations.done} were acknowledged`,
          );
        rotations.done = onDemand;
      }
    },
  },
  {
    promise: 'every acknowledged alias is there',
    async run({ world, lane, listed }) {
      const { aliases, unsureAliases } = world.model;
      for (const [name, keyId] of await listAliases(lane)) {
        listed.aliases.set(name, keyId);
        const expected = aliases.get(name) ?? unsureAliases.get(name);
        if (expected !== keyId) world.find(`the alias ${name} points to ${keyId}, not to ${expected}`);
        aliases.set(name, keyId);
      }
      for (const name of aliases.keys()) {
        if (!listed.aliases.has(name)) world.find(`the acknowledged alias ${name} is gone`);
      }
      unsureAliases.clear();
    },
  },
  {
    promise: 'every acknowledged ciphertext decrypts',
    async run({ world, lane, sample }) {
      const { ciphertexts } = world.model;
      const all = ciphertexts.length <= sample;
      const chosen = all ? ciphertexts : Array.from({ length: sample }, () => world.random.pick(ciphertexts));
      for (let start = 0; start < chosen.length; start += 100)
        await Promise.all(chosen.slice(start, start + 100).map((ciphertext) => decrypt(lane, ciphertext)));
    },
  },
  {
    promise: 'every answered request is in the audit log once, and nothing else is',
    run({ world, audit, replay }) {
      const records = audit.read();
      for (const record of records) replay.apply(record);
      // Connections and refusals are recorded beside the requests, or counted.
      const others = ['OpenConnection', 'RefuseRequest'];
      const calls = records.filter(
        ({ eventType, eventName }) => eventType === 'AwsApiCall' && !others.includes(eventName),
      );
      for (const fault of world.ledger.settle(calls)) world.find(`audit: ${fault}`);
    },
  },
  {
    promise: 'what there is and what the audit log tells are the same',
    run({ world, replay, listed }) {
      compare(world, 'key', listed.keys, replay.keys);
      compare(world, 'rotations of key', listed.rotations, replay.rotations);
      compare(world, 'alias', listed.aliases, replay.aliases);
    },
  },
  {
    promise: 'the token holds the keys, what others put there, and nothing else',
    async run({ world, daemon, original, listed, restarted }) {
      let objects = await listToken(daemon.home);
      // SoftHSM reads its folder file by file, and can miss both the new anchor and the old one, which takes a
      // replacement in between; the next is seconds away.
      if (!objects.some(isAnchor)) objects = await listToken(daemon.home);
      const missing = new Map(
        original.filter((object) => !isAnchor(object)).map((object) => [identity(object), object]),
      );
      const found = new Map<string, number>();
      const torn = objectFiles(daemon.home) - objects.filter((object) => !object.torn).length;
      if (torn > world.interruptedKeys + world.interruptedAnchors) {
        world.find(
          `${torn} objects are torn, with ${world.interruptedKeys} keys whose making was interrupted`,
        );
      }
      for (const object of objects.filter((object) => !object.torn)) {
        if (missing.delete(identity(object)) || isAnchor(object)) continue;
        const [, wrapping, keyId = ''] = /^keyhold\/(wrapping\/)?(.*)$/.exec(object.label) ?? [];
        if (wrapping) {
          if (!world.model.keys.get(keyId)?.material)
            world.find(`the wrapping pair ${identity(object)} is of no key`);
          continue;
        }
        if (!listed.keys.has(keyId)) {
          // The next start destroys a key that failing workers could not destroy.
          if (restarted) world.find(`the object ${identity(object)} has no record`);
        } else if (!object.secret) world.find(`the material of key ${keyId} could be read`);
        found.set(keyId, (found.get(keyId) ?? 0) + 1);
      }
      const anchors = objects.filter(isAnchor).length;
      // While an anchor is replaced there are two, and a crash may leave both.
      if (anchors < 1 || anchors > 2) world.find(`there are ${anchors} anchors of the metadata store`);
      for (const name of missing.keys()) world.find(`the object ${name}, which was there before, is gone`);
      for (const keyId of listed.keys.keys()) {
        const material = world.model.keys.get(keyId)?.material;
        if (material && material.present === undefined) continue;
        const first = material && !material.present ? 0 : 1;
        const wanted = first + (listed.rotations.get(keyId) ?? 0);
        const count = found.get(keyId) ?? 0;
        // Another may be material that failing workers could not destroy.
        if (count < wanted || (restarted && count > wanted))
          world.find(`key ${keyId} has ${count} objects, not ${wanted}`);
      }
    },
  },
  {
    promise: 'the audit log is whole',
    async run({ world, daemon }) {
      const { code, stdout, stderr } = await daemon.admin('audit-verify');
      if (code !== 0) world.find(`audit verify ends with ${code}: ${stdout}${stderr}`);
    },
  },
];

function isKnownState(state: string | undefined): state is KnownState {
  return ['Enabled', 'Disabled', 'PendingDeletion', 'PendingImport'].includes(state ?? '');
}

function isAnchor({ class: objectClass, label }: ObservedObject): boolean {
  return objectClass === 0 && label.startsWith('keyhold/internal/anchor/');
}

export function identity({ class: objectClass, id, label }: ObservedObject): string {
  return `${label} (class ${objectClass}, CKA_ID ${id})`;
}

/** A key whose creation was not acknowledged must still work. */
async function use(lane: Lane, keyId: string): Promise<void> {
  const encryptionContext = { request: lane.newName() };
  const plaintext = Buffer.from('of use');
  const { code, response } = await lane.call('encrypt', { keyId, encryptionContext, plaintext });
  if (code !== 'ok')
    lane.world.find(`key ${keyId}, whose creation was not answered, does not encrypt: ${code}`);
  else await decrypt(lane, { keyId, encryptionContext, plaintext, ciphertextBlob: response.ciphertextBlob });
}

async function listKeys(lane: Lane): Promise<string[]> {
  const keyIds: string[] = [];
  let marker: string | undefined;
  do {
    const { response } = await lane.call('listKeys', { limit: 1000, ...(marker && { marker }) });
    keyIds.push(...(response?.keys ?? []).map(({ keyId }) => keyId));
    marker = response?.nextMarker;
  } while (marker);
  return keyIds;
}

async function listAliases(lane: Lane): Promise<[name: string, keyId: string][]> {
  const aliases: [string, string][] = [];
  let marker: string | undefined;
  do {
    const { response } = await lane.call('listAliases', { limit: 100, ...(marker && { marker }) });
    for (const { aliasName, targetKeyId } of response?.aliases ?? [])
      if (targetKeyId) aliases.push([aliasName, targetKeyId]);
    marker = response?.nextMarker;
  } while (marker);
  return aliases;
}

function compare(
  world: World,
  what: string,
  there: ReadonlyMap<string, string | number>,
  told: ReadonlyMap<string, string | number>,
): void {
  for (const name of new Set([...there.keys(), ...told.keys()])) {
    if (there.get(name) !== told.get(name)) {
      world.find(`${what} ${name} is ${there.get(name)}, and ${told.get(name)} by the audit log`);
    }
  }
}

/** The folder of a home's audit log. */
export function auditFolder({ home }: TestDaemon): string {
  return join(home, 'audit');
}
