// Jobs for key encapsulation.
import { bytes, keyId, mechanism } from './fields.js';
import { defineJob } from './job.js';

/** Makes a shared secret and its ciphertext. */
export const encapsulate = defineJob({
  ...{ deadline: 10_000, cost: 800, repeatable: true },
  arguments: { id: keyId, mechanism },
  result: { ciphertext: bytes, secret: bytes },
  perform: (session, { id, mechanism: how }) => session.encapsulate(id, how),
});

/** Recovers a shared secret from its ciphertext. */
export const decapsulate = defineJob({
  ...{ deadline: 10_000, cost: 800, repeatable: true },
  arguments: { id: keyId, mechanism, ciphertext: bytes },
  result: { secret: bytes },
  perform: (session, { id, mechanism: how, ciphertext }) => ({
    secret: session.decapsulate(id, how, ciphertext),
  }),
});
