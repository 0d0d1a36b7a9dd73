// Jobs that read and write private data objects (CKO_DATA).
import { bytes, byteStrings, text } from './fields.js';
import { defineJob } from './job.js';

/** Reads the contents of the data objects with a label. */
export const readData = defineJob({
  ...{ deadline: 10_000, cost: 1_000, repeatable: true },
  arguments: { label: text },
  result: { contents: byteStrings },
  perform: ({ objects }, { label }) => ({ contents: objects.readData(label) }),
});

/** Replaces all data objects with a label by one object. */
export const replaceData = defineJob({
  ...{ deadline: 10_000, cost: 20_000, repeatable: true, writes: true },
  arguments: { label: text, value: bytes },
  result: {},
  perform({ objects }, { label, value }) {
    objects.replaceData(label, value);
    return {};
  },
});
