// The end of LevelDB's log after kill -9: a batch truncated by a crash, and acknowledged batches removed by somebody.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { StoreCopies } from '../../support/store-copies.js';
import { anchorLabels, labels, pkcs11Tool, steadily } from '../../support/token.js';
import { within } from '../../support/processes.js';

function logOf({ home }: TestDaemon): string {
  const names = readdirSync(join(home, 'metadata')).filter((name) => /^\d+\.log$/.test(name));
  return join(home, 'metadata', names.sort().at(-1)!);
}

/** The newest anchor in the HSM. */
function anchoredEpoch(daemon: TestDaemon): number {
  const file = join(daemon.home, 'anchor');
  // The next anchor may replace it between listing and reading.
  steadily(() => {
    const [label = ''] = anchorLabels(daemon);
    return pkcs11Tool(daemon, '--read-object', '--type', 'data', '--label', label, '--output-file', file);
  });
  return (JSON.parse(readFileSync(file, 'utf8')) as { epoch: number }).epoch;
}

void t.test('an incomplete batch is ignored; missing acknowledged batches are noticed', async (t) => {
  const daemon = await TestDaemon.start(t);
  const copies = new StoreCopies(daemon);
  t.teardown(() => copies.remove());
  const client = await daemon.connect();
  const create = async () => (await client.createKey({})).keyMetadata.keyId;
  const before = statSync(logOf(daemon)).size;
  const made = [await create()];
  const acknowledged = statSync(logOf(daemon)).size;
  t.ok(acknowledged > before);
  const { ciphertextBlob } = await client.encrypt({ keyId: made[0]!, plaintext: Buffer.from('x') });
  const first = anchoredEpoch(daemon);
  // The first anchor is from the start; the next comes at a checkpoint, at least 5 s later.
  t.ok(await within(60_000, () => anchoredEpoch(daemon) > first));
  made.push(await create());
  await client.close();
  await daemon.stop('SIGKILL');
  copies.take('killed');
  const whole = readFileSync(logOf(daemon));

  const refused = async (log: Buffer, message: RegExp, what: string) => {
    copies.putBack('killed');
    writeFileSync(logOf(daemon), log);
    await t.rejects(daemon.start(), { message }, what);
  };
  const older = /an earlier copy was put back.*keyhold recover store/s;
  await refused(whole.subarray(0, before), older, 'a log without an acknowledged batch is refused');
  await refused(
    whole.subarray(0, before + 20),
    older,
    'a log truncated within an acknowledged batch is refused',
  );
  const changed = Buffer.from(whole);
  changed[before + 100]! ^= 1;
  await refused(changed, /\.log is damaged at byte \d+/, 'a log with a changed batch is refused');

  copies.putBack('killed');
  // The beginning of a batch, as a crash leaves it.
  writeFileSync(logOf(daemon), Buffer.concat([whole, whole.subarray(0, 40)]));
  await daemon.start();
  const again = await daemon.connect();
  const { keys = [] } = await again.listKeys({});
  t.strictSame(keys.map((key) => key.keyId).sort(), made.sort(), 'every acknowledged key exists');
  t.ok(await again.decrypt({ ciphertextBlob: ciphertextBlob }));
  await again.close();
  t.equal(await daemon.stop(), 0);
  t.match(await daemon.admin('audit-verify'), { code: 0 });
});

void t.test('a key whose batch the disk lost keeps its material', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  const { keyId } = (await client.createKey({})).keyMetadata;
  await client.close();
  await daemon.stop('SIGKILL');
  const log = readFileSync(logOf(daemon));
  // Records have a header of 7 bytes with their length at 4. The last one is the batch that made the key.
  const ends: number[] = [];
  for (let end = 0; end + 7 <= log.length; ends.push(end)) end += 7 + log.readUInt16LE(end + 4);
  writeFileSync(logOf(daemon), log.subarray(0, ends.at(-2)));
  await daemon.start();
  const warning = new RegExp(`lost key ${keyId}, which had been created: its object was kept`);
  t.match((await daemon.health()).warnings, [
    warning,
    /1 material of key .* nor is there a record of the key/,
    /1 object that does not belong to this Keyhold/,
  ]);
  t.match(daemon.events('StartService').at(-1), {
    serviceEventDetails: { repairedIntents: 0, lostKeys: [keyId] },
  });
  t.ok(labels(daemon).includes(`keyhold/${keyId}`));
  await daemon.stop('SIGKILL');
  await daemon.start();
  t.ok(labels(daemon).includes(`keyhold/${keyId}`), 'the next start does not destroy the material either');
  const again = await daemon.connect();
  await t.rejects(again.describeKey({ keyId: keyId }), { code: 'NotFoundException' });
  t.ok(await again.createKey({}), 'new keys can be created');
  await again.close();
});
