// The public key of the audit log's checkpoints, as a file beside the log.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { replaceFileSync } from '../../files/replace-file.js';
import type { KeyStore } from '../../hsm/key-store.js';
import { toPem } from '../../identity/certificates/pem.js';
import { type Instance, internalObjectId } from './instance.js';
import { homePaths } from '../../files/home.js';

/** Reads the key from the HSM. @throws HsmError */
export async function readAuditPublicKey(instance: Instance, keyStore: KeyStore): Promise<KeyObject> {
  const key = await keyStore.publicKey(internalObjectId(instance, 'audit-signing'));
  return createPublicKey({ key, format: 'der', type: 'spki' });
}

/** Writes `audit-public-key.pem` from the HSM. @throws HsmError */
export async function writeAuditPublicKey(
  home: string,
  instance: Instance,
  keyStore: KeyStore,
): Promise<void> {
  const publicKey = await keyStore.publicKey(internalObjectId(instance, 'audit-signing'));
  replaceFileSync(pathIn(home), toPem(publicKey, 'PUBLIC KEY'), 0o644);
}

/** Writes the file if it is missing, as after a restore. @returns whether it was missing @throws HsmError */
export async function restoreAuditPublicKey(
  home: string,
  instance: Instance,
  keyStore: KeyStore,
): Promise<boolean> {
  if (existsSync(pathIn(home))) return false;
  await writeAuditPublicKey(home, instance, keyStore);
  return true;
}

function pathIn(home: string): string {
  return homePaths(home).auditPublicKey;
}
