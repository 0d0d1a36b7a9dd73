// The metadata store itself, read while no daemon runs, beside the token.
import { join } from 'node:path';
import { z } from 'zod';
import { LevelStore } from '../../daemon/store/leveldb/leveldb.js';
import { listToken } from './token.js';

/** MAC and version, which come before a record's text. */
const headLength = 32 + 8;

const keyRecord = z.object({
  materials: z.array(
    z.object({ objectId: z.string(), imported: z.object({ present: z.boolean() }).optional() }),
  ),
});
const wrappingKeyRecord = z.object({ objectId: z.string() });

/**
 * Compares records and objects by CKA_ID, after a clean stop.
 * @returns the faults
 */
export async function compareRecords(home: string): Promise<string[]> {
  const faults: string[] = [];
  const objects = new Set((await listToken(home)).map(({ id }) => id));
  const store = await LevelStore.open(join(home, 'metadata'));
  try {
    for await (const { key, value } of store.range({ from: 'record/', to: 'record/\uffff' })) {
      const name = key.slice('record/'.length);
      if (/^(intent|owed-event|destruction)\//.test(name))
        faults.push(`after a clean stop there is a record ${name}`);
      const read = <T>(schema: z.ZodType<T>) => schema.parse(JSON.parse(value.toString('utf8', headLength)));
      const wanted = name.startsWith('key/')
        ? read(keyRecord).materials.filter(({ imported }) => imported?.present !== false)
        : name.startsWith('wrapping-key/')
          ? [read(wrappingKeyRecord)]
          : [];
      for (const { objectId } of wanted)
        if (!objects.has(objectId)) faults.push(`the object ${objectId} of ${name} is gone`);
    }
  } finally {
    await store.close();
  }
  return faults;
}
