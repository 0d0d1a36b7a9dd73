// Material of multi-Region keys on its way between two HSMs.
import { createHash } from 'node:crypto';
import pkcs11, { type Handle } from 'pkcs11js';
import { HsmError, type ImportTarget } from '../key-store.js';
import { checkValueOf, importMaterial } from './import/import-material.js';
import { aesKeyWrapPad, openFromLink } from './import/unwrapping.js';
import type { KeyObjects } from './objects.js';
import { toSubjectPublicKeyInfo } from './public-keys.js';
import type { Token } from './token.js';

/** Bytes of the longest wrapped material: PKCS #8 of RSA_4096 has less than 2,400. */
const longestWrapped = 8_192;
const longestSignature = 256;

/** Wraps material under the send key of a link and computes what identifies it. */
export function wrapForLink(
  token: Token,
  objects: KeyObjects,
  id: Buffer,
  sendKey: Buffer,
  target: ImportTarget,
): { wrapped: Buffer; checkValue: Buffer } {
  const { module, session } = token;
  const wrapped = objects.use(id, (material) =>
    objects.use(sendKey, (key) =>
      Buffer.from(module.C_WrapKey(session, aesKeyWrapPad, key, material, Buffer.alloc(longestWrapped))),
    ),
  );
  return { wrapped, checkValue: identify(token, objects, id, target) };
}

/** Signs a statement with the signing key of a link. @returns r and s, 64 bytes */
export function signForLink(
  { module, session }: Token,
  objects: KeyObjects,
  signingKey: Buffer,
  statement: Buffer,
): Buffer {
  const digest = createHash('sha256').update(statement).digest();
  return objects.use(signingKey, (key) => {
    module.C_SignInit(session, { mechanism: pkcs11.CKM_ECDSA }, key);
    return Buffer.from(module.C_Sign(session, digest, Buffer.alloc(longestSignature)));
  });
}

/** Where unwrapped material goes, and what it must be. */
export interface Arrival {
  readonly id: Buffer;
  readonly label: Buffer;
  readonly target: ImportTarget;
  readonly checkValue: Buffer;
}

/**
 * Unwraps material from the peer of a link into token objects.
 * @returns the handles
 * @throws HsmError 'invalid-ciphertext', 'incorrect-key-material'; no object is left then
 */
export function unwrapFromLink(
  token: Token,
  objects: KeyObjects,
  receiveKey: Buffer,
  wrapped: Buffer,
  { id, label, target, checkValue }: Arrival,
): readonly Handle[] {
  if (!target.template.multiRegion)
    throw new HsmError('internal', 'Only material of a multi-Region key comes over a link.');
  const made = importMaterial(token, openFromLink(token, objects, receiveKey, wrapped), id, label, target);
  if (made.checkValue.equals(checkValue)) return made.handles;
  for (const handle of made.handles) token.module.C_DestroyObject(token.session, handle);
  throw new HsmError(
    'incorrect-key-material',
    'The wrapped material is not the one that the other Region named: it was not kept.',
  );
}

/** Makes a proof of material: a MAC or ciphertext of the challenge, or the public key of a pair. */
export function proveMaterial(
  token: Token,
  objects: KeyObjects,
  id: Buffer,
  target: ImportTarget,
  challenge: Buffer,
): Buffer {
  // The peer draws a part of the challenge. As a hash it cannot be a block that a mode of operation uses, such as zeros.
  const text = createHash('sha256').update('keyhold material proof').update(challenge).digest();
  return identify(token, objects, id, target, text);
}

function identify(
  token: Token,
  objects: KeyObjects,
  id: Buffer,
  { secret }: ImportTarget,
  text?: Buffer,
): Buffer {
  if (secret === undefined) return objects.usePublic(id, (key) => toSubjectPublicKeyInfo(token, key));
  return objects.use(id, (key) => checkValueOf(token, key, secret, text));
}
