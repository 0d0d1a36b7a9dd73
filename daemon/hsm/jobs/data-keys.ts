// Jobs that generate random bytes and data keys for use outside the HSM.
import type { KeyTemplate } from '../key-store.js';
import { ciphertextFields } from './encryption.js';
import { bytes, cipherSuite, constantJson, keyId, randomLength } from './fields.js';
import { defineJob } from './job.js';

/** Generates random bytes. */
export const random = defineJob({
  ...{ deadline: 10_000, cost: 5, repeatable: true },
  arguments: { length: randomLength },
  result: { bytes },
  perform: (session, { length }) => ({ bytes: session.random(length) }),
});

const underKey = { id: keyId, suite: cipherSuite, aad: bytes } as const;

/** Generates random bytes and returns them both in the clear and encrypted. */
export const dataKey = defineJob({
  ...{ deadline: 10_000, cost: 20, repeatable: true },
  arguments: { ...underKey, length: randomLength },
  result: { ...ciphertextFields, plaintext: bytes },
  perform(session, { id, suite, aad, length }) {
    const plaintext = session.random(length);
    try {
      const { iv, ciphertext } = session.ciphers[suite].encrypt(id, aad, plaintext);
      return { iv, ciphertext, plaintext };
    } catch (error) {
      plaintext.fill(0);
      throw error;
    }
  },
});

/** Generates random bytes and returns them encrypted; the plaintext never leaves the worker. */
export const dataKeyWithoutPlaintext = defineJob({
  ...{ deadline: 10_000, cost: 20, repeatable: true },
  arguments: { ...underKey, length: randomLength },
  result: ciphertextFields,
  perform(session, { id, suite, aad, length }) {
    const plaintext = session.random(length);
    try {
      return session.ciphers[suite].encrypt(id, aad, plaintext);
    } finally {
      plaintext.fill(0);
    }
  },
});

const slow = { deadline: 60_000, cost: 100_000, repeatable: true, writes: true, slow: true } as const;
const template = constantJson<KeyTemplate>();

/** Generates a key pair and returns its private key (PKCS #8) both in the clear and encrypted. */
export const dataKeyPair = defineJob({
  ...slow,
  arguments: { ...underKey, template },
  result: { ...ciphertextFields, publicKey: bytes, privateKey: bytes },
  perform(session, { id, suite, aad, template: wanted }) {
    const { publicKey, privateKey } = session.generateDataKeyPair(wanted);
    try {
      const { iv, ciphertext } = session.ciphers[suite].encrypt(id, aad, privateKey);
      return { iv, ciphertext, publicKey, privateKey };
    } catch (error) {
      privateKey.fill(0);
      throw error;
    }
  },
});

/** Generates a key pair and returns its private key encrypted; the plaintext never leaves the worker. */
export const dataKeyPairWithoutPlaintext = defineJob({
  ...slow,
  arguments: { ...underKey, template },
  result: { ...ciphertextFields, publicKey: bytes },
  perform(session, { id, suite, aad, template: wanted }) {
    const { publicKey, privateKey } = session.generateDataKeyPair(wanted);
    try {
      const { iv, ciphertext } = session.ciphers[suite].encrypt(id, aad, privateKey);
      return { iv, ciphertext, publicKey };
    } finally {
      privateKey.fill(0);
    }
  },
});
