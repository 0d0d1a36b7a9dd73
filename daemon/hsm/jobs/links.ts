// Jobs that move material of multi-Region keys over a link.
import type { ImportTarget } from '../key-store.js';
import type { MaterialStatement } from '../link-messages.js';
import { bytes, constantJson, json, keyId, text } from './fields.js';
import { defineJob } from './job.js';

const target = constantJson<ImportTarget>();

/** Wraps material for the peer of a link, and signs what it is. */
export const wrapForLink = defineJob({
  ...{ deadline: 10_000, cost: 1_000, repeatable: true },
  arguments: { id: keyId, sendKey: keyId, signingKey: keyId, target, statement: json<MaterialStatement>() },
  result: { wrapped: bytes, checkValue: bytes, signature: bytes },
  perform: (session, { id, target: wanted, statement, ...keys }) =>
    session.wrapForLink(id, keys, wanted, statement),
});

/** Unwraps material from the peer of a link into the token. */
export const unwrapFromLink = defineJob({
  ...{ deadline: 20_000, cost: 20_000, repeatable: false, writes: true },
  arguments: { receiveKey: keyId, wrapped: bytes, checkValue: bytes, id: bytes, label: text, target },
  result: {},
  perform(session, { receiveKey, wrapped, checkValue, ...rest }) {
    session.unwrapFromLink(receiveKey, { wrapped, checkValue }, rest);
    return {};
  },
});

/** Proves which material the token holds. */
export const proveMaterial = defineJob({
  ...{ deadline: 10_000, cost: 100, repeatable: true },
  arguments: { id: keyId, target, challenge: bytes },
  result: { proof: bytes },
  perform: (session, { id, target: wanted, challenge }) => ({
    proof: session.proveMaterial(id, wanted, challenge),
  }),
});
