// Started by token.ts: lists the objects of the token of KEYHOLD_HOME as JSON, or puts foreign ones into it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pkcs11, { type Handle } from 'pkcs11js';
import { openToken } from '../../scripts/bench/open-token.js';
import type { ObservedObject } from './token.js';

const home = process.env.KEYHOLD_HOME ?? '';
const { module, session } = openToken(readFileSync(join(home, 'tokens/pin'), 'utf8'));

/** @returns undefined where the object has no such attribute */
function attribute(object: Handle, type: number): Buffer | undefined {
  try {
    return module.C_GetAttributeValue(session, object, [{ type }])[0]?.value;
  } catch {
    return undefined;
  }
}

function describe(object: Handle): ObservedObject {
  const objectClass = attribute(object, pkcs11.CKA_CLASS)?.readUInt32LE();
  const id = attribute(object, pkcs11.CKA_ID)?.toString('hex') ?? '';
  const label = attribute(object, pkcs11.CKA_LABEL)?.toString() ?? '';
  const isKey = objectClass === pkcs11.CKO_SECRET_KEY || objectClass === pkcs11.CKO_PRIVATE_KEY;
  const isNamed = id !== '' || label !== '';
  const isSensitive = attribute(object, pkcs11.CKA_SENSITIVE)?.[0] === 1;
  return {
    class: objectClass ?? -1,
    id,
    label,
    secret: isKey && isSensitive && attribute(object, pkcs11.CKA_EXTRACTABLE)?.[0] === 0,
    torn: !isNamed && (attribute(object, pkcs11.CKA_VALUE_LEN)?.readUInt32LE() ?? 0) === 0,
  };
}

function find(): Handle[] {
  module.C_FindObjectsInit(session, []);
  const found: Handle[] = [];
  for (
    let some = module.C_FindObjects(session, 1000);
    some.length > 0;
    some = module.C_FindObjects(session, 1000)
  )
    found.push(...some);
  module.C_FindObjectsFinal(session);
  return found;
}

/**
 * What the token holds at one moment. Where the daemon makes or destroys objects meanwhile, they are read again: an
 * anchor that was replaced after it was found looks torn, and the new one is not seen.
 */
function list(): ObservedObject[] {
  for (let handles = find(), tries = 0; tries < 100; tries++) {
    const objects = handles.map(describe);
    const after = find();
    if (after.length === handles.length && after.every((one, index) => one.equals(handles[index]!)))
      return objects;
    handles = after;
  }
  throw new Error('The token changes faster than it can be listed');
}

function plant(): void {
  for (const [label, id] of [
    ['theirs', '01'],
    ['keyhold/1234abcd-12ab-34cd-56ef-1234567890ab', '00112233445566778899aabbccddeeff'],
  ] as const) {
    module.C_GenerateKey(session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, [
      { type: pkcs11.CKA_TOKEN, value: true },
      { type: pkcs11.CKA_VALUE_LEN, value: 32 },
      { type: pkcs11.CKA_LABEL, value: label },
      { type: pkcs11.CKA_ID, value: Buffer.from(id, 'hex') },
    ]);
  }
  module.C_CreateObject(session, [
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_DATA },
    { type: pkcs11.CKA_TOKEN, value: true },
    { type: pkcs11.CKA_LABEL, value: 'their data' },
    { type: pkcs11.CKA_VALUE, value: Buffer.from('anything') },
  ]);
}

if (process.argv[2] === 'plant') plant();
else process.stdout.write(JSON.stringify(list()));
module.C_Finalize();
