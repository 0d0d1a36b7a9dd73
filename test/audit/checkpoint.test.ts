import { createHash, verify as verifySignature } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';
import { members, openLog, publicKey, readLog, signer, until, verify } from './support.js';

interface CheckpointRecord {
  sequence: number;
  eventType?: string;
  eventTime: string;
  checkpoint: { sequence: number; hash: string; keyId: string; signature: string };
}

function checkpointsOf(directory: string): CheckpointRecord[] {
  return readLog(directory)
    .map((line) => JSON.parse(line) as CheckpointRecord)
    .filter(({ eventType }) => eventType === 'KeyholdCheckpoint');
}

await t.test(
  'a checkpoint signs domain, sequence number and hash of a record, and can be checked without Keyhold',
  async (t) => {
    const directory = join(t.testdir(), 'audit');
    const { log } = await openLog(directory);
    await log.append(members(1));
    await log.append(members(2));
    await log.close();
    const [record] = checkpointsOf(directory) as [CheckpointRecord];
    const line = readLog(directory)[1] ?? '';
    const number = Buffer.from('0000000000000002', 'hex');
    const message = [
      Buffer.from('keyhold audit checkpoint v1\0'),
      number,
      createHash('sha256').update(line).digest(),
    ];
    t.match(record, { sequence: 3, checkpoint: { sequence: 2, keyId: signer.keyId } });
    t.ok(
      verifySignature(
        'sha256',
        Buffer.concat(message),
        publicKey,
        Buffer.from(record.checkpoint.signature, 'base64'),
      ),
    );
  },
);

await t.test('under load checkpoints are at most the configured number of records apart', async (t) => {
  const directory = join(t.testdir(), 'audit');
  const { log } = await openLog(directory, { checkpointRecords: 100 });
  for (let round = 0; round < 60; round++) {
    await Promise.all(Array.from({ length: 20 }, (_, index) => log.append(members(index))));
  }
  await log.close();
  const places = [0, ...checkpointsOf(directory).map(({ sequence }) => sequence)];
  t.ok(places.length > 10);
  for (let index = 1; index < places.length; index++) t.ok(places[index]! - places[index - 1]! <= 100);
  t.match(verify(directory), { fault: undefined, checkpoints: places.length - 1, chainedOnly: 1 });
});

await t.test(
  'a single record gets a checkpoint within the interval, and an idle log gets no more',
  async (t) => {
    const directory = join(t.testdir(), 'audit');
    const { log, events } = await openLog(directory, { checkpointInterval: 600 });
    await log.append(members(1));
    const begin = Date.now();
    await until(() => events.length > 0);
    t.ok(Date.now() - begin < 10_000);
    t.match(events, [{ type: 'checkpoint', checkpoint: { sequence: 1 } }]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await log.close();
    t.equal(checkpointsOf(directory).length, 1);
    const again = await openLog(directory, { checkpointInterval: 20 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await again.log.close();
    t.equal(checkpointsOf(directory).length, 1, 'opening the log again makes no checkpoint either');
  },
);

await t.test('records that a crash left without a checkpoint get one when the log is opened', async (t) => {
  const directory = join(t.testdir(), 'audit');
  const refusing = { ...signer, sign: () => Promise.reject(new Error('the token is gone')) };
  const first = await openLog(directory, { signer: refusing });
  await first.log.append(members(1));
  await first.log.close();
  t.equal(checkpointsOf(directory).length, 0);
  const second = await openLog(directory, { checkpointInterval: 20 });
  await until(() => second.events.length > 0);
  await second.log.close();
  t.match(verify(directory), { fault: undefined, records: 2, newestCheckpoint: 1 });
});

await t.test(
  'signing delays no append; a failed signature is reported and retried, and the log stays available',
  async (t) => {
    const directory = join(t.testdir(), 'audit');
    let tries = 0;
    const failing = {
      ...signer,
      sign: async (message: Buffer) => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        if (++tries <= 2) throw new Error('the token is gone');
        return signer.sign(message);
      },
    };
    const { log, events } = await openLog(directory, {
      signer: failing,
      checkpointRecords: 10,
      checkpointInterval: 40,
    });
    let appended = 0;
    while (!events.some(({ type }) => type === 'checkpoint')) {
      await log.append(members(++appended));
      t.ok(log.available);
    }
    t.ok(appended > 20, `${appended} appends beside three signatures of 50 ms`);
    t.match(
      events.map(({ type }) => type),
      ['checkpoint-failed', 'checkpoint-failed', 'checkpoint'],
    );
    await log.close();
    t.match(verify(directory), { fault: undefined, chainedOnly: 1 });
  },
);
