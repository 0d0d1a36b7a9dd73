// Baseline for the start: one enumeration of the token, in a separate process. Its message is the time in milliseconds from
// C_Initialize to the last attribute of the last object.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pkcs11 from 'pkcs11js';
import { openToken } from './open-token.js';

const home = process.env.KEYHOLD_HOME ?? '';
const pin = readFileSync(join(home, 'tokens/pin'), 'utf8');
const begun = performance.now();
const { lib: module, handle: session } = openToken(pin);
module.C_FindObjectsInit(session, []);
const found: Buffer[] = [];
for (
  let more = module.C_FindObjects(session, 1_000);
  more.length > 0;
  more = module.C_FindObjects(session, 1_000)
)
  found.push(...more);
module.C_FindObjectsFinal(session);
for (const handle of found) {
  try {
    read(handle);
  } catch (error) {
    // The running daemon may have replaced its anchor meanwhile.
    if ((error as { code?: number }).code !== pkcs11.CKR_OBJECT_HANDLE_INVALID) throw error;
  }
}
process.send?.(performance.now() - begun);

function read(handle: Buffer): void {
  const [, objectClass] = module.C_GetAttributeValue(session, handle, [
    { type: pkcs11.CKA_LABEL },
    { type: pkcs11.CKA_CLASS },
  ]);
  // A data object has no CKA_ID (PKCS #11 v2.40, section 4.5).
  if (objectClass!.value.readUInt8() !== pkcs11.CKO_DATA)
    module.C_GetAttributeValue(session, handle, [{ type: pkcs11.CKA_ID }]);
}
