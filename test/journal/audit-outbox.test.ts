// Events stored with their changes until they are in the log: removed in the end, despite failures.
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';
import { AuditOutbox } from '../../daemon/journal/audit-outbox.js';
import { Recorder } from '../../daemon/journal/recorder.js';
import { LevelStore } from '../../daemon/store/leveldb/leveldb.js';
import { Records } from '../../daemon/store/records/records.js';
import { members, openLog } from '../audit/support.js';

void t.test('another batch removes what a failed batch would have removed', async (t) => {
  const folder = t.testdir({});
  const store = await LevelStore.create(join(folder, 'metadata'));
  const { log } = await openLog(join(folder, 'audit'));
  let isHsmThere = true;
  const mac = (message: Buffer) =>
    isHsmThere
      ? Promise.resolve(createHmac('sha256', 'key').update(message).digest())
      : Promise.reject(new Error('the HSM is gone'));
  const records = await Records.load(store, 'store-1', mac);
  const owed = new AuditOutbox(records, log);
  const recorder = new Recorder(records, log, owed);
  const change = (id: string) =>
    recorder.commit(
      { changes: () => [{ key: `key/${id}`, value: id }] },
      { eventId: id, members: members(id.charCodeAt(0)) },
    );
  const waiting = () => [...records.keys('owed-event/')];
  await change('a');
  t.same(waiting(), ['owed-event/a'], 'it is in the log, and goes with the next batch');
  isHsmThere = false;
  await t.rejects(change('b'), { message: 'the HSM is gone' });
  await t.rejects(owed.flush(), { message: 'the HSM is gone' });
  isHsmThere = true;
  await change('c');
  t.same(waiting(), ['owed-event/c']);
  await owed.flush();
  t.same(waiting(), []);
  // Before the folder is removed, because the log notices when its file is missing.
  await log.close();
  await store.close();
});
