// Uses a key once in each of the ways that its usage has, with the other half of each worked out outside the HSM.
import { constants, createECDH, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto';
import type { SigningAlgorithmSpec } from '../../proto/generated/messages.js';
import type { KeyStore, ObjectId } from '../hsm/key-store.js';
import { signingInput } from './signing-input.js';
import type { KeyUsageEntry } from './specs.js';

/** @returns whether it does what it should; the public key belongs to the private one. @throws HsmError */
export async function tryOut(store: KeyStore, id: ObjectId, usage: KeyUsageEntry): Promise<boolean> {
  const message = randomBytes(32);
  const [mac] = Object.values(usage.mac ?? {});
  if (mac) return store.verify(id, mac, 'none', message, await store.sign(id, mac, 'none', message));
  const [signing] = Object.entries(usage.signing ?? {});
  if (signing) {
    const [name, algorithm] = signing;
    const { mechanism, conversion } = algorithm;
    const data = signingInput(name as SigningAlgorithmSpec, algorithm, message);
    return store.verify(id, mechanism, conversion, data, await store.sign(id, mechanism, conversion, data));
  }
  const [agreement] = Object.values(usage.keyAgreement ?? {});
  if (agreement) {
    const own = createECDH(agreement.curve);
    const point = own.generateKeys();
    const theirs = (await store.publicKey(id)).subarray(-agreement.pointLength);
    return own.computeSecret(theirs).equals(await store.deriveSharedSecret(id, point));
  }
  if (usage.encryption?.SYMMETRIC_DEFAULT) {
    const key = { suite: usage.suite ?? 1, id } as const;
    const aad = Buffer.alloc(0);
    return (await store.decrypt(key, aad, await store.encrypt(key, aad, message))).equals(message);
  }
  const publicKey = createPublicKey({ key: await store.publicKey(id), format: 'der', type: 'spki' });
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' };
  const ciphertext = publicEncrypt({ key: publicKey, ...padding }, message);
  const key = { suite: 'rsa-oaep-sha1', id } as const;
  return (await store.decrypt(key, Buffer.alloc(0), { iv: Buffer.alloc(0), ciphertext })).equals(message);
}
