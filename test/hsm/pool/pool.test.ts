import t from 'tap';
import { jobs } from '../../../daemon/hsm/jobs/table.js';
import { Supervisor } from '../../../daemon/hsm/pool/supervisor.js';
import { makeToken } from '../token.js';

void t.test('an answer that does not fit its job fails only that job', async (t) => {
  const supervisor = new Supervisor(makeToken(t).config());
  t.teardown(() => supervisor.close());
  await supervisor.connect();
  const { pool } = supervisor;
  const [worker] = pool.ready;
  // A worker answers a probe with nothing.
  const misread = { ...jobs.probe, result: jobs.exists.result };
  const failure = { code: 'internal', message: /0 parts, not 1/ };
  await Promise.all([
    t.rejects(pool.submitTo(worker!, misread, {}), failure),
    pool.submitTo(worker!, jobs.random, { length: 16 }).then(({ bytes }) => t.equal(bytes.length, 16)),
  ]);
  await t.rejects(
    pool.submit(misread, {}, () => undefined),
    failure,
  );
  t.equal(supervisor.state, 'connected');
});
