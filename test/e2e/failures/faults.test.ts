// Full disks, crashing and hanging workers, and clients that disconnect, with the whole daemon.
import { readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { ServiceError } from '../../../client/index.js';
import { encodeRequest } from '../../../proto/codec/frames.js';
import { operationShape } from '../../../proto/codec/frames.js';
import { type Disk, memoryDisk, unavailable } from '../../audit/disks.js';
import { TestDaemon } from '../../support/daemon.js';
import { aliasesOf, homeOn } from '../../support/home-on-disk.js';
import { upgrade } from '../../support/wire/upgrade.js';
import { childrenOf, lives, within } from '../../support/processes.js';
import { listToken } from '../../torture/token.js';

const noMount = unavailable(() => memoryDisk(64));
const auditRefusal = { code: 'KMSInternalException', message: /audit log cannot be written/ };

const ballastOf = (disk: Disk) => join(disk.directory, 'ballast');

/** Fills a disk except for a number of bytes. */
function fill(disk: Disk, left: number): void {
  const { bavail, bsize } = statfsSync(disk.directory);
  writeFileSync(ballastOf(disk), Buffer.alloc(Math.max(0, bavail * bsize - left)));
  if (left > 0) return;
  try {
    for (;;) appendFileSync(ballastOf(disk), Buffer.alloc(4096));
  } catch {
    // Full.
  }
}

interface Record {
  readonly eventName?: string;
  readonly errorCode?: string;
  readonly requestParameters?: {
    readonly aliasName?: string;
    readonly encryptionContext?: { readonly n?: string };
  };
}

/** Number of successful events in the log for each alias or context. */
function recorded(daemon: TestDaemon): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { errorCode, requestParameters } of daemon.auditRecords() as Record[]) {
    const name = requestParameters?.aliasName ?? requestParameters?.encryptionContext?.n;
    if (name !== undefined && errorCode === undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

void t.test(
  'full disk of the audit log: nothing unrecorded is acknowledged; with free space the daemon resumes',
  { skip: noMount },
  async (t) => {
    const { daemon, disk } = await homeOn(t, 'audit', memoryDisk(1024));
    await daemon.start();
    const client = await daemon.connect({ maxAttempts: 1 });
    t.teardown(() => client.close());
    const keyId = (await client.createKey({})).keyMetadata.keyId;
    fill(disk, 64 * 1024);

    const acknowledged: string[] = [];
    const refusals: ServiceError[] = [];
    let number = 0;
    const lane = async (call: (name: string) => Promise<unknown>) => {
      for (let failures = 0; failures < 5;) {
        const name = `alias/${number++}`;
        try {
          await call(name);
          acknowledged.push(name);
        } catch (error) {
          refusals.push(error as ServiceError);
          failures += 1;
        }
      }
    };
    const encrypt = (n: string) =>
      client.encrypt({ keyId, plaintext: Buffer.from(n), encryptionContext: { n } });
    let aliases = 0;
    const alter = (aliasName: string) => {
      return aliases++ < 40 ? client.createAlias({ aliasName, targetKeyId: keyId }) : encrypt(aliasName);
    };
    await Promise.all([...Array.from({ length: 6 }, () => lane(encrypt)), lane(alter), lane(alter)]);
    t.ok(acknowledged.length > 0, `${acknowledged.length} were acknowledged before the disk was full`);
    for (const refusal of refusals) t.match(refusal, auditRefusal);
    await t.rejects(client.createKey({}), auditRefusal, 'a change is refused too');
    await t.rejects(client.generateRandom({ numberOfBytes: 8 }), auditRefusal);
    t.ok(lives(daemon.pid));

    rmSync(ballastOf(disk));
    const works = () =>
      encrypt('after').then(
        () => true,
        () => false,
      );
    t.ok(await within(30_000, works), 'with free space requests succeed again');
    await client.createAlias({
      aliasName: 'alias/after',
      targetKeyId: (await client.createKey({})).keyMetadata.keyId,
    });
    const there = await aliasesOf(client, keyId);
    const isComplete = () => there.every((name) => recorded(daemon).get(name) === 1);
    t.ok(
      await within(30_000, isComplete),
      'every change is recorded once, even if its caller was told of a failure',
    );
    const counts = recorded(daemon);
    t.strictSame(
      acknowledged.filter((name) => counts.get(name) !== 1),
      [],
      'every acknowledged request is recorded once',
    );
    t.match(
      daemon.events('AuditLogRecovered').at(-1),
      { eventType: 'AwsServiceEvent', serviceEventDetails: { writtenRecords: Number } },
      'the recovery is recorded too',
    );
    t.match(await daemon.admin('audit-verify'), { code: 0 });
    t.equal(await daemon.stop(), 0);
    await daemon.start();
    const again = recorded(daemon);
    t.strictSame(
      [...again].filter(([name, count]) => count !== 1 && name !== 'after'),
      [],
      'a restart records nothing twice',
    );
  },
);

void t.test(
  'a change that was stored but not recorded is recorded once by the next start',
  { skip: noMount },
  async (t) => {
    const { daemon, disk } = await homeOn(t, 'audit', memoryDisk(1024));
    await daemon.start();
    const client = await daemon.connect({ maxAttempts: 1 });
    const keyId = (await client.createKey({})).keyMetadata.keyId;
    fill(disk, 0);
    // The last page of the file has room for some records.
    const names = Array.from({ length: 40 }, (_, index) => `alias/${index}`);
    let failed = '';
    for (const aliasName of names) {
      try {
        await client.createAlias({ aliasName, targetKeyId: keyId });
      } catch (error) {
        t.match(error, auditRefusal);
        failed = aliasName;
        break;
      }
    }
    t.ok(failed, 'a record did not fit on the disk');
    await daemon.stop('SIGKILL');
    await client.close();
    await t.rejects(
      daemon.start(),
      { message: /audit/ },
      'without free space the daemon does not start, and says why',
    );
    rmSync(ballastOf(disk));
    await daemon.start();
    const after = await daemon.connect();
    t.ok((await aliasesOf(after, keyId)).includes(failed), 'the change was made');
    await after.close();
    t.equal(recorded(daemon).get(failed), 1);
    await daemon.stop('SIGKILL');
    await daemon.start();
    t.equal(recorded(daemon).get(failed), 1, 'the start after that does not record it again');
    t.match(await daemon.admin('audit-verify'), { code: 0 });
  },
);

void t.test(
  'full disk of the metadata store: changes fail, other requests succeed, and nothing acknowledged later is lost',
  { skip: noMount },
  async (t) => {
    const { daemon, disk } = await homeOn(t, 'metadata', memoryDisk(4096));
    await daemon.start();
    const client = await daemon.connect({ maxAttempts: 1 });
    t.teardown(() => client.close());
    const made = new Set<string>();
    const create = async () => made.add((await client.createKey({})).keyMetadata.keyId);
    await create();
    const [keyId = ''] = made;
    fill(disk, 0);
    let failures = 0;
    for (let tries = 0; tries < 40 && failures < 10; tries++) {
      await create().catch((error: unknown) => {
        failures += 1;
        t.match(error, { code: 'KMSInternalException', message: /metadata store cannot be written/ });
      });
    }
    t.equal(failures, 10);
    t.ok(lives(daemon.pid));
    t.ok(
      await client.encrypt({ keyId, plaintext: Buffer.from('x') }),
      'requests that change nothing succeed',
    );

    rmSync(ballastOf(disk));
    const works = () =>
      create().then(
        () => true,
        () => false,
      );
    t.ok(await within(30_000, works), 'with free space changes are possible again without a restart');
    for (let more = 0; more < 5; more++) await create();
    await daemon.stop('SIGKILL');
    await daemon.start();
    const again = await daemon.connect();
    const { keys = [] } = await again.listKeys({});
    const listed = keys.map((key) => key.keyId);
    t.strictSame(
      [...made].filter((one) => !listed.includes(one)),
      [],
      'every acknowledged key exists',
    );
    for (const one of listed) await again.encrypt({ keyId: one, plaintext: Buffer.from('x') });
    await again.close();
    const labels = (await listToken(daemon.home))
      .map(({ label }) => label)
      .filter((label) => !label.includes('internal'));
    t.strictSame(
      labels.sort(),
      listed.map((one) => `keyhold/${one}`).sort(),
      'no object is left without a key',
    );
    t.match(await daemon.admin('audit-verify'), { code: 0 });
  },
);

void t.test(
  'workers that die or hang under load: every request is answered, and the service recovers',
  async (t) => {
    const daemon = await TestDaemon.start(t);
    const client = await daemon.connect({ maxAttempts: 1, timeout: 60_000 });
    t.teardown(() => client.close());
    const keyId = (await client.createKey({})).keyMetadata.keyId;
    const whole = childrenOf(daemon.pid).length;
    const answers = new Map<string, number>();
    const answered = (code: string) => answers.set(code, (answers.get(code) ?? 0) + 1);
    let stopped = false;
    const lane = async () => {
      for (; !stopped; await new Promise((done) => setTimeout(done, 5))) {
        await client.encrypt({ keyId, plaintext: Buffer.from('x') }).then(
          () => answered('ok'),
          (error: ServiceError) => answered(error.code),
        );
      }
    };
    const lanes = Array.from({ length: 16 }, lane);
    const pause = () => new Promise((done) => setTimeout(done, 300));
    await pause();
    process.kill(childrenOf(daemon.pid)[0]!, 'SIGKILL');
    await pause();
    const isWhole = () => childrenOf(daemon.pid).length === whole;
    t.ok(await within(30_000, isWhole), 'the dead worker is replaced');
    await pause();
    const hanging = childrenOf(daemon.pid)[0]!;
    process.kill(hanging, 'SIGSTOP');
    // The deadline of an encryption is 10 s.
    t.ok(await within(30_000, () => !lives(hanging)), 'the hanging worker is killed');
    t.ok(await within(30_000, isWhole), 'the hanging worker is replaced');
    await pause();
    stopped = true;
    await Promise.all(lanes);
    t.strictSame([...answers.keys()], ['ok'], 'every request is answered, by another worker if need be');
    t.ok(await client.createKey({}));
  },
);

void t.test(
  'a hundred clients that disconnect during requests leave nothing open and nothing unfinished',
  async (t) => {
    const daemon = await TestDaemon.start(t);
    const client = await daemon.connect();
    t.teardown(() => client.close());
    const keyId = (await client.createKey({})).keyMetadata.keyId;
    const descriptors = () => readdirSync(`/proc/${daemon.pid}/fd`).length;
    const before = descriptors();
    const hangUp = async (round: number) => {
      const { webSocket } = await upgrade(daemon);
      for (let id = 1; id <= 20; id++) {
        const request = { keyId, plaintext: Buffer.from('x'), encryptionContext: { n: `${round}-${id}` } };
        webSocket.send(encodeRequest(id, 30_000, operationShape('Encrypt'), request));
      }
      // Half of them disconnect before the first answer, half between answers.
      if (round % 2 === 0) await new Promise((done) => webSocket.once('message', done));
      else await new Promise((done) => setImmediate(done));
      webSocket.terminate();
    };
    for (let round = 0; round < 100; round += 10)
      await Promise.all(Array.from({ length: 10 }, (_, index) => hangUp(round + index)));
    t.ok(await client.encrypt({ keyId, plaintext: Buffer.from('x') }));
    t.ok(await within(30_000, () => descriptors() <= before), 'their connections are closed');
    await client.close();
    t.equal(await daemon.stop(), 0);
    const counts = recorded(daemon);
    t.ok(counts.size >= 500, `${counts.size} of 2,000 requests had arrived`);
    t.ok(
      [...counts.values()].every((count) => count === 1),
      'each request is recorded once',
    );
    t.match(await daemon.admin('audit-verify'), { code: 0 });
  },
);
