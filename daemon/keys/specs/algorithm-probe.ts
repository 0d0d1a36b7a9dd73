// Tries each algorithm of a key. Where possible the counterpart is computed outside the HSM: the peer's shared secret, or
// RSA encryption with the public key.
import { constants, createECDH, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto';
import type { SigningAlgorithmSpec } from '../../../proto/generated/messages.js';
import type { KeyStore, ObjectId } from '../../hsm/key-store.js';
import { signingInput } from './signing-input.js';
import type { KeyUsageEntry } from './table.js';

/** A trial of one algorithm. */
export interface Trial {
  readonly algorithm: string;
  /** Uses a key once. @returns whether the result is right, and so the key pair matches @throws HsmError */
  readonly run: (store: KeyStore, id: ObjectId) => Promise<boolean>;
}

const oaepHashes: Readonly<Record<string, string | undefined>> = {
  'rsa-oaep-sha1': 'sha1',
  'rsa-oaep-sha256': 'sha256',
};

/** Returns a trial for each algorithm of a usage. */
export function trialsOf(usage: KeyUsageEntry): Trial[] {
  const { mac = {}, signing = {}, keyAgreement = {}, encapsulation = {}, encryption = {} } = usage;
  return [
    ...Object.entries(mac).map(([algorithm, mechanism]): Trial => ({
      algorithm,
      run: async (store, id) => {
        const message = randomBytes(32);
        const made = await store.sign(id, mechanism, 'none', message);
        return store.verify(id, mechanism, 'none', message, made);
      },
    })),
    ...Object.entries(signing).map(([algorithm, entry]): Trial => ({
      algorithm,
      run: async (store, id) => {
        const { mechanism, conversion } = entry;
        const data = signingInput(algorithm as SigningAlgorithmSpec, entry, randomBytes(32));
        const made = await store.sign(id, mechanism, conversion, data);
        return store.verify(id, mechanism, conversion, data, made);
      },
    })),
    ...Object.entries(keyAgreement).map(([algorithm, { curve, pointLength }]): Trial => ({
      algorithm,
      run: async (store, id) => {
        const own = createECDH(curve);
        const point = own.generateKeys();
        const theirs = (await store.publicKey(id)).subarray(-pointLength);
        return own.computeSecret(theirs).equals(await store.deriveSharedSecret(id, point));
      },
    })),
    ...Object.entries(encapsulation).map(([algorithm, { mechanism, ciphertextLength }]): Trial => ({
      algorithm,
      run: async (store, id) => {
        const { ciphertext, secret } = await store.encapsulate(id, mechanism);
        if (ciphertext.length !== ciphertextLength) return false;
        return secret.equals(await store.decapsulate(id, mechanism, ciphertext));
      },
    })),
    ...Object.entries(encryption).map(([algorithm, { cipher: suite }]): Trial => ({
      algorithm,
      run: async (store, id) => {
        const message = randomBytes(32);
        const [key, aad] = [{ suite, id }, Buffer.alloc(0)];
        const oaepHash = oaepHashes[suite];
        if (oaepHash === undefined)
          return (await store.decrypt(key, aad, await store.encrypt(key, aad, message))).equals(message);
        const publicKey = createPublicKey({ key: await store.publicKey(id), format: 'der', type: 'spki' });
        const padding = constants.RSA_PKCS1_OAEP_PADDING;
        const ciphertext = publicEncrypt({ key: publicKey, padding, oaepHash }, message);
        return (await store.decrypt(key, aad, { iv: Buffer.alloc(0), ciphertext })).equals(message);
      },
    })),
  ];
}

/** Tries the first algorithm of a usage. @returns whether the result is right @throws HsmError */
export async function tryOut(store: KeyStore, id: ObjectId, usage: KeyUsageEntry): Promise<boolean> {
  const [first] = trialsOf(usage);
  return first === undefined || (await first.run(store, id));
}
