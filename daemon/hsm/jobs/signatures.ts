// Jobs for signatures, MACs and key agreement.
import { bytes, conversion, flag, keyId, mechanism } from './fields.js';
import { defineJob } from './job.js';

/** Makes a signature or MAC of a message or digest. */
export const sign = defineJob({
  ...{ deadline: 10_000, cost: 60, repeatable: true },
  arguments: { id: keyId, mechanism, conversion, data: bytes },
  result: { signature: bytes },
  perform: (session, { id, mechanism: how, conversion: form, data }) => ({
    signature: session.sign(id, how, form, data),
  }),
});

/** Verifies a signature or MAC. */
export const verify = defineJob({
  ...{ deadline: 10_000, cost: 60, repeatable: true },
  arguments: { id: keyId, mechanism, conversion, data: bytes, signature: bytes },
  result: { isValid: flag },
  perform: (session, { id, mechanism: how, conversion: form, data, signature }) => ({
    isValid: session.verify(id, how, form, data, signature),
  }),
});

/** Derives an ECDH shared secret: the x coordinate. */
export const deriveSharedSecret = defineJob({
  ...{ deadline: 10_000, cost: 100, repeatable: true },
  arguments: { id: keyId, point: bytes },
  result: { secret: bytes },
  perform: (session, { id, point }) => ({ secret: session.deriveSharedSecret(id, point) }),
});
