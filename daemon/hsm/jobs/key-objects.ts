// Jobs that generate, find and destroy keys in the token.
import type { Attributes, KeyTemplate } from '../key-store.js';
import { bytes, constantJson, flag, json, keyId, text } from './fields.js';
import { defineJob, type JobTraits } from './job.js';

const template = constantJson<KeyTemplate>();
const newKey = { id: bytes, label: text, template } as const;

/** Generates a secret key. */
export const generateKey = defineJob({
  ...{ deadline: 10_000, cost: 10_000, repeatable: false, writes: true },
  arguments: newKey,
  result: {},
  perform(session, values) {
    session.generate(values);
    return {};
  },
});

/** Generates a key pair. */
export const generateKeyPair = defineJob({
  ...{ deadline: 60_000, cost: 100_000, repeatable: false, writes: true, slow: true },
  arguments: newKey,
  result: {},
  perform(session, values) {
    session.generate(values);
    return {};
  },
});

/** Destroys every key object with a CKA_ID. */
export const destroy = defineJob({
  ...{ deadline: 10_000, cost: 100_000, repeatable: true, writes: true },
  arguments: { id: bytes },
  result: {},
  perform({ objects }, { id }) {
    objects.destroy(id);
    return {};
  },
});

/** Asks the token whether it has an object with a CKA_ID. */
export const exists = defineJob({
  ...{ deadline: 10_000, cost: 100_000, repeatable: true },
  arguments: { id: bytes },
  result: { exists: flag },
  perform: ({ objects }, { id }) => ({ exists: objects.exists(id) }),
});

/** Attributes of an object as [CKA number, value in hex]. */
type ReadAttributes = readonly (readonly [type: number, value: string])[];

/** Reads attributes of the objects that match a template. */
export const inspect = defineJob({
  ...({ deadline: 20_000, cost: 100_000, repeatable: true } satisfies JobTraits),
  arguments: { match: json<Attributes>(), types: json<readonly number[]>() },
  result: { objects: json<readonly ReadAttributes[]>() },
  perform: (session, { match, types }) => ({ objects: session.inspect(match, types) }),
});

/** Reads the public key of a pair: SubjectPublicKeyInfo in DER. */
export const publicKey = defineJob({
  ...{ deadline: 10_000, cost: 100, repeatable: true },
  arguments: { id: keyId },
  result: { publicKey: bytes },
  perform: (session, { id }) => ({ publicKey: session.publicKey(id) }),
});
