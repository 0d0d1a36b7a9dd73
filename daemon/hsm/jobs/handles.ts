// Jobs that keep a worker's view of the token up to date.
import { bytes } from './fields.js';
import { defineJob } from './job.js';

/** Finds the handles of all objects, including those that other workers created. */
export const refreshHandles = defineJob({
  ...{ deadline: 20_000, cost: 100_000, repeatable: false, enumerates: true },
  arguments: {},
  result: {},
  perform({ objects }) {
    objects.refreshHandles();
    return {};
  },
});

/** Drops the handles and the session copy of a key. */
export const forgetKey = defineJob({
  ...{ deadline: 10_000, cost: 100, repeatable: false },
  arguments: { id: bytes },
  result: {},
  perform({ objects }, { id }) {
    objects.forget(id.toString('latin1'));
    return {};
  },
});

/** Makes a small call to the device to see whether it still answers. */
export const probe = defineJob({
  ...{ deadline: 10_000, cost: 100, repeatable: false },
  arguments: {},
  result: {},
  perform(session) {
    session.random(8);
    return {};
  },
});
