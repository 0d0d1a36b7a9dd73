// Jobs that import key material into the token.
import type { ImportTarget, Wrapping } from '../key-store.js';
import { bytes, constantJson, flag, keyId, text } from './fields.js';
import { defineJob } from './job.js';

const target = { id: bytes, label: text, target: constantJson<ImportTarget>() } as const;
const result = { checkValue: bytes, leftHsm: flag } as const;

/** Imports material that is wrapped under an RSA key pair of the token. */
export const importWrapped = defineJob({
  ...{ deadline: 20_000, cost: 20_000, repeatable: false, writes: true },
  arguments: { wrappingKey: keyId, wrapping: constantJson<Wrapping>(), wrapped: bytes, ...target },
  result,
  perform: (session, { wrappingKey, wrapping, wrapped, ...rest }) =>
    session.importWrapped(wrappingKey, wrapping, wrapped, rest),
});

/** Imports material in the clear. */
export const importPlaintext = defineJob({
  ...{ deadline: 20_000, cost: 20_000, repeatable: false, writes: true },
  arguments: { material: bytes, ...target },
  result,
  perform: (session, { material, ...rest }) => session.importPlaintext(material, rest),
});
