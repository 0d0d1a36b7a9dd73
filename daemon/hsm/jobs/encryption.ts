// Jobs that encrypt and decrypt.
import { bytes, cipherSuite, keyId } from './fields.js';
import { defineJob } from './job.js';

/** The fields of a ciphertext. */
export const ciphertextFields = { iv: bytes, ciphertext: bytes } as const;

/** Encrypts a message. */
export const encrypt = defineJob({
  ...{ deadline: 10_000, cost: 20, repeatable: true },
  arguments: { id: keyId, suite: cipherSuite, aad: bytes, plaintext: bytes },
  result: ciphertextFields,
  perform: ({ ciphers }, { id, suite, aad, plaintext }) => ciphers[suite].encrypt(id, aad, plaintext),
});

/** Decrypts a message. */
export const decrypt = defineJob({
  ...{ deadline: 10_000, cost: 20, repeatable: true },
  arguments: { id: keyId, suite: cipherSuite, aad: bytes, ...ciphertextFields },
  result: { plaintext: bytes },
  perform: ({ ciphers }, { id, suite, aad, iv, ciphertext }) => ({
    plaintext: ciphers[suite].decrypt(id, aad, iv, ciphertext),
  }),
});

/** Decrypts under one key and encrypts under another; the plaintext never leaves the worker. */
export const reEncrypt = defineJob({
  ...{ deadline: 10_000, cost: 40, repeatable: true },
  arguments: {
    ...{ id: keyId, suite: cipherSuite, aad: bytes, ...ciphertextFields },
    ...{ destinationId: keyId, destinationSuite: cipherSuite, destinationAad: bytes },
  },
  result: ciphertextFields,
  perform({ ciphers }, { id, suite, aad, iv, ciphertext, ...destination }) {
    const plaintext = ciphers[suite].decrypt(id, aad, iv, ciphertext);
    try {
      const { destinationId, destinationSuite, destinationAad } = destination;
      return ciphers[destinationSuite].encrypt(destinationId, destinationAad, plaintext);
    } finally {
      plaintext.fill(0);
    }
  },
});
