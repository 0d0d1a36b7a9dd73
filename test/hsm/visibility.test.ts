import t from 'tap';
import { AES_256, connectTo, makeToken, newKey, openSession, pids, until } from './token.js';

void t.test(
  'keys created at the same time can be used in every worker, and destroying them leaves none',
  async (t) => {
    const token = makeToken(t);
    const { store, events } = await connectTo(t, token, { workers: 2 });
    await until(() => pids(events).length === 2);
    const aad = Buffer.alloc(0);
    const ids: Buffer[] = [];
    for (let round = 0; round < 8; round++) {
      const made = await Promise.all([newKey(store, AES_256), newKey(store, AES_256)]);
      ids.push(...made);
      for (const id of made) {
        // More than one worker can take at a time.
        const jobs = Array.from({ length: 400 }, () =>
          store.encrypt({ suite: 1, id }, aad, Buffer.from('x')),
        );
        const results = await Promise.allSettled(jobs);
        const failures = results.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []));
        t.strictSame([...new Set(failures)], [], `key ${id.toString('hex')}`);
      }
    }
    await Promise.all(ids.map((id) => store.destroy(id)));
    const { find } = openSession(t, token);
    for (const id of ids) t.strictSame(find(id), []);
  },
);
