// Read-only file systems and files: at the start, and under a running daemon.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { errantDisk, makeImmutable, makeReadOnly, memoryDisk, unavailable } from '../../audit/disks.js';
import { TestDaemon } from '../../support/daemon.js';
import { aliasesOf, homeOn } from '../../support/home-on-disk.js';
import { childrenOf, lives, within } from '../../support/processes.js';

const noMount = unavailable(() => memoryDisk(64));
const noError = unavailable(() => {
  const disk = errantDisk();
  disk.fail();
  return disk;
});
const noImmutable = unavailable(() => {
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-disk-'));
  makeImmutable(directory)();
  return { directory, remove: () => rmSync(directory, { recursive: true }) };
});

const refusals = {
  audit: { code: 'KMSInternalException', retryable: true, message: /audit log cannot be written/ },
  metadata: { code: 'KMSInternalException', retryable: true, message: /metadata store cannot be written/ },
} as const;
const sayings = {
  audit:
    /ended with 1: keyhold: The audit log cannot be opened. EROFS.*audit-00000001\.jsonl'\. Its file system is read-only.*start the daemon again/,
  metadata: /ended with 1: keyhold: The metadata store .*mounted for writing.*Read-only file system/,
} as const;
const parts = ['audit', 'metadata'] as const;

void t.test(
  'a start on a read-only file names it and says what to do, without a stack, and nothing is lost later',
  { skip: noMount },
  async (t) => {
    const daemon = await TestDaemon.start(t);
    const client = await daemon.connect();
    const keyId = (await client.createKey({})).keyMetadata.keyId;
    await client.close();
    await daemon.stop();
    const refused = async (path: string, message: RegExp) => {
      const writable = makeReadOnly(path);
      try {
        await t.rejects(daemon.start(), { message });
        t.notMatch(daemon.stderr, /^ +at /m, path);
      } finally {
        writable();
      }
    };
    for (const part of parts) await refused(join(daemon.home, part), sayings[part]);
    await refused(daemon.home, sayings.metadata);
    const sockets = join(daemon.home, 'sockets');
    mkdirSync(sockets);
    daemon.configure('listen:\n  socket: sockets/keyhold.sock');
    await refused(sockets, /Cannot listen on .*sockets.* \(EROFS\).*set listen\.socket/);
    await daemon.start();
    const again = await daemon.connect({ url: `unix:${join(sockets, 'keyhold.sock')}` });
    t.ok(await again.encrypt({ keyId, plaintext: Buffer.from('x') }));
    await again.close();
  },
);

for (const part of parts) {
  void t.test(
    `a file system that becomes read-only under ${part}: nothing acknowledged is lost, no worker remains`,
    { skip: noError },
    async (t) => {
      const { daemon, disk } = await homeOn(t, part, errantDisk());
      await daemon.start();
      const client = await daemon.connect({ maxAttempts: 1 });
      t.teardown(() => client.close());
      const keyId = (await client.createKey({})).keyMetadata.keyId;
      const alias = (aliasName: string) => client.createAlias({ aliasName, targetKeyId: keyId });
      await alias('alias/acknowledged');
      disk.fail();
      for (let n = 0; n < 3; n++) await t.rejects(alias(`alias/refused-${n}`), refusals[part]);
      const encrypted = client.encrypt({ keyId, plaintext: Buffer.from('x') });
      if (part === 'audit') await t.rejects(encrypted, refusals.audit);
      else t.ok(await encrypted, 'requests that change nothing succeed');
      t.ok(lives(daemon.pid));
      const workers = childrenOf(daemon.pid);
      t.equal(await daemon.stop(), 1, 'the exit status says that something was not written');
      t.ok(await within(2_000, () => !workers.some(lives)));
      await t.rejects(daemon.start(), { message: sayings[part] });
      disk.mend();
      await daemon.start();
      const after = await daemon.connect();
      const there = await aliasesOf(after, keyId);
      t.ok(there.includes('alias/acknowledged'));
      await after.createAlias({ aliasName: 'alias/after', targetKeyId: keyId });
      await after.close();
      t.equal(await daemon.stop(), 0);
      t.match(await daemon.admin('audit-verify'), { code: 0 });
    },
  );
}

void t.test(
  'files that cannot be written for a while: requests are refused, then work without a restart',
  { skip: noImmutable },
  async (t) => {
    const daemon = await TestDaemon.start(t);
    const client = await daemon.connect({ maxAttempts: 1 });
    t.teardown(() => client.close());
    const made = [(await client.createKey({})).keyMetadata.keyId];
    for (const part of parts) {
      const writable = makeImmutable(join(daemon.home, part));
      try {
        for (let n = 0; n < 2; n++) await t.rejects(client.createKey({}), refusals[part]);
      } finally {
        writable();
      }
      const works = () =>
        client.createKey({}).then(
          ({ keyMetadata }) => made.push(keyMetadata.keyId) > 0,
          () => false,
        );
      // Writing to the audit log is retried every 5 s at least.
      t.ok(await within(30_000, works), `${part}: requests succeed again`);
    }
    await daemon.stop('SIGKILL');
    await daemon.start();
    const again = await daemon.connect();
    const { keys = [] } = await again.listKeys({ limit: 100 });
    const listed = keys.map((key) => key.keyId);
    t.strictSame(
      made.filter((keyId) => !listed.includes(keyId)),
      [],
      'every acknowledged key exists',
    );
    await again.close();
    t.match(await daemon.admin('audit-verify'), { code: 0 });
  },
);
