// The anchor of the metadata store in the HSM: when it is written, and what happens if it is missing.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { TestDaemon } from '../../support/daemon.js';
import { StoreCopies } from '../../support/store-copies.js';
import { anchorLabels, pkcs11Tool, steadily } from '../../support/token.js';

interface RootRecord {
  readonly epoch: number;
  readonly root: string;
}

/** Content of the anchor, read by another program. */
function anchorOf(daemon: TestDaemon): RootRecord {
  const file = join(daemon.home, 'anchor');
  // The next anchor may replace it between listing and reading.
  steadily(() => {
    const [label = ''] = anchorLabels(daemon);
    return pkcs11Tool(daemon, '--read-object', '--type', 'data', '--label', label, '--output-file', file);
  });
  return JSON.parse(execFileSync('cat', [file]).toString()) as RootRecord;
}

async function eventually(holds: () => boolean, tries = 60): Promise<boolean> {
  for (; tries > 0; tries--) {
    if (holds()) return true;
    await sleep(500);
  }
  return false;
}

void t.test('the anchor follows the store, and is the newest root after a stop', async (t) => {
  const daemon = await TestDaemon.start(t);
  const copies = new StoreCopies(daemon);
  t.teardown(() => copies.remove());
  t.ok(
    await eventually(() => anchorLabels(daemon).length === 1),
    'the first anchor is written at a checkpoint',
  );
  const first = anchorOf(daemon);
  const client = await daemon.connect();
  await client.createKey({});
  t.ok(
    await eventually(() => anchorOf(daemon).epoch > first.epoch),
    'the anchor is renewed while the daemon runs',
  );
  await client.createKey({});
  await client.close();
  t.equal(await daemon.stop(), 0);
  const { epoch, root } = (await copies.record('root')) as RootRecord;
  t.match(anchorOf(daemon), { epoch, root });
  t.equal(anchorLabels(daemon).length, 1, 'the earlier anchors are destroyed');
  const tokens = join(daemon.home, 'tokens');

  await t.test(
    'an older anchor, as in an HSM restored from a backup, is reported, and nothing else',
    async (t) => {
      cpSync(tokens, join(daemon.home, 'tokens-backup'), { recursive: true });
      await daemon.start();
      await daemon.stop();
      await daemon.start();
      await daemon.stop();
      rmSync(tokens, { recursive: true });
      cpSync(join(daemon.home, 'tokens-backup'), tokens, { recursive: true });
      await daemon.start();
      t.match((await daemon.health()).warnings, [new RegExp(`holds an older anchor \\(epoch ${epoch}\\)`)]);
      t.match(daemon.events('StartService').at(-1), { serviceEventDetails: { lostAnchor: /restored/ } });
      await daemon.stop();
    },
  );

  await t.test('a destroyed anchor is written again and reported', async (t) => {
    pkcs11Tool(daemon, '--delete-object', '--type', 'data', '--label', anchorLabels(daemon)[0]!);
    t.same(anchorLabels(daemon), []);
    await daemon.start();
    t.equal(anchorLabels(daemon).length, 1, 'the anchor is written before the first request');
    t.match((await daemon.health()).warnings, [/holds no anchor.*somebody with its PIN destroyed/]);
    t.match(daemon.events('StartService').at(-1), { serviceEventDetails: { lostAnchor: /holds no anchor/ } });
    await daemon.stop();
    await daemon.start();
    t.same((await daemon.health()).warnings, []);
    t.match(daemon.events('StartService').at(-1)?.serviceEventDetails, { lostAnchor: undefined });
    await daemon.stop();
  });
});

void t.test('a store of a Keyhold without roots gets one, once', async (t) => {
  const daemon = await TestDaemon.initialise();
  const copies = new StoreCopies(daemon);
  t.teardown(async () => {
    copies.remove();
    await daemon.remove();
  });
  await copies.makeLegacy();
  copies.take('legacy');
  await daemon.start();
  t.equal(anchorLabels(daemon).length, 1, 'the HSM has the anchor before the first request');
  await daemon.stop();
  t.match((await copies.values()).get('meta/instance')?.toString(), /"format":2/);
  t.match(await copies.record('instance'), { format: 2 });
  copies.take('upgraded');
  await daemon.start();
  await daemon.stop();
  t.equal(daemon.events('UpgradeStore').length, 1);
  t.match(daemon.events('UpgradeStore'), [{ serviceEventDetails: { records: 3 } }]);
  const legacy = await copies.record('instance');
  t.ok(legacy);

  await t.test('deleting the root does not get a new one', async (t) => {
    await copies.write(new Map([['record/root', undefined]]));
    await t.rejects(daemon.start(), { message: /Its root is missing/ });
    copies.putBack('legacy');
    await t.rejects(daemon.start(), { message: /Its root is missing.*anchor is of epoch/ });
    t.match(await daemon.cli(['recover', 'store', '--accept-older-store', '--yes']), { code: 0 });
    await daemon.start();
    await daemon.stop();
    t.match(daemon.events('RecoverStore'), [{ serviceEventDetails: { found: 'no-root' } }]);
    t.match((await copies.values()).get('meta/instance')?.toString(), /"format":2/);
    t.match(await daemon.cli(['audit', 'verify']), { code: 0 });
  });
});

const hasNss = existsSync('/usr/lib/x86_64-linux-gnu/libsoftokn3.so') && existsSync('/usr/bin/certutil');

void t.test(
  'if the module has no data objects, health explains the consequence and the daemon runs',
  { skip: !hasNss && 'SKIPPED: needs apt-get install libnss3 libnss3-tools' },
  async (t) => {
    const daemon = await TestDaemon.initialise();
    t.teardown(() => daemon.remove());
    // Any trace of the former home would keep init from creating another one.
    for (const name of readdirSync(daemon.home)) rmSync(join(daemon.home, name), { recursive: true });
    const folder = join(daemon.home, 'tokens/nss');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(daemon.home, 'tokens/pin'), 'nss-pin-1234', { mode: 0o600 });
    const pinFile = join(daemon.home, 'tokens/pin');
    execFileSync('certutil', ['-N', '-d', `sql:${folder}`, '-f', pinFile], { stdio: 'ignore' });
    const made = await daemon.admin('init', ['--profile', 'nss', '--token-label', 'NSS Certificate DB']);
    t.match(made, { code: 0, stderr: '' });
    await daemon.start();
    const warning = /holds no private data objects: an older metadata store that is put back is not found/;
    t.match(await daemon.health(), { healthy: true, warnings: [warning] });
    const client = await daemon.connect();
    await client.createKey({});
    await client.close();
    t.equal(await daemon.stop(), 0);
    await daemon.start();
    t.equal(await daemon.stop(), 0);
    t.match(await daemon.cli(['recover', 'store']), { code: 0, stdout: /nothing to recover/ });
  },
);
