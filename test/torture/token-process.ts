// Started by token.ts: lists the objects of the token of KEYHOLD_HOME as JSON, or puts foreign ones into it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KeyGenMechanism, ObjectClass, type SessionObject } from 'graphene-pk11';
import { openToken } from '../../scripts/bench/baselines/open-token.js';
import type { ObservedObject } from './token.js';

const home = process.env.KEYHOLD_HOME ?? '';
const session = openToken(readFileSync(join(home, 'tokens/pin'), 'utf8'));

/** Reads an attribute. @returns undefined if the object does not have it */
function attribute<T>(object: SessionObject, name: string): T | undefined {
  try {
    return object.getAttribute(name) as T;
  } catch {
    return undefined;
  }
}

function describe(object: SessionObject): ObservedObject {
  const objectClass = attribute<ObjectClass>(object, 'class');
  const id = attribute<Buffer>(object, 'id')?.toString('hex') ?? '';
  const label = attribute<string>(object, 'label') ?? '';
  const isKey = objectClass === ObjectClass.SECRET_KEY || objectClass === ObjectClass.PRIVATE_KEY;
  const isNamed = id !== '' || label !== '';
  const isSensitive = attribute<boolean>(object, 'sensitive') === true;
  return {
    class: objectClass ?? -1,
    id,
    label,
    secret: isKey && isSensitive && attribute<boolean>(object, 'extractable') === false,
    torn: !isNamed && (attribute<number>(object, 'valueLen') ?? 0) === 0,
  };
}

/**
 * The token's objects at one moment. If the daemon creates or destroys objects meanwhile, they are read again: an
 * anchor that is replaced after it was found looks torn, and the new one is not seen.
 */
function list(): ObservedObject[] {
  for (let found = [...session.find()], tries = 0; tries < 100; tries++) {
    const objects = found.map(describe);
    const after = [...session.find()];
    if (after.length === found.length && after.every(({ handle }, n) => handle.equals(found[n]!.handle)))
      return objects;
    found = after;
  }
  throw new Error('The token changes faster than it can be listed');
}

function plant(): void {
  for (const [label, id] of [
    ['theirs', '01'],
    ['keyhold/1234abcd-12ab-34cd-56ef-1234567890ab', '00112233445566778899aabbccddeeff'],
  ] as const)
    session.generateKey(KeyGenMechanism.AES, {
      ...{ token: true, valueLen: 32 },
      ...{ label, id: Buffer.from(id, 'hex') },
    });
  session.create({
    ...{ class: ObjectClass.DATA, token: true },
    ...{ label: 'their data', value: Buffer.from('anything') },
  });
}

if (process.argv[2] === 'plant') plant();
else process.stdout.write(JSON.stringify(list()));
session.slot.module.finalize();
