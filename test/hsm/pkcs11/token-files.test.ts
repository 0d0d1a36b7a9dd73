// A token after a power cut, with a module that does not sync its files, and the repair of damaged files. The cut is
// simulated by copying the block device, without the page cache, when a job is answered.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import t, { type Test } from 'tap';
import { errantDisk, memoryDisk, unavailable } from '../../audit/disks.js';
import type { KeyStoreConfig } from '../../../daemon/hsm/pool/config.js';
import { connect } from '../../../daemon/hsm/pool/connect.js';
import type { KeyStore } from '../../../daemon/hsm/key-store.js';
import { importTarget } from '../../../daemon/keys/import/wrapping.js';
import { P_256, connectTo, makeToken, newKey, type TestToken } from '../token.js';

const aad = Buffer.alloc(5);
const synced = { tokenFiles: 'softhsm2' } as const;
const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: 'ignore' });

/** An ext4 that, like some in production, writes nothing back for a while. */
function disk(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-cut-'));
  const [image, mounted] = [join(folder, 'image'), join(folder, 'mounted')];
  mkdirSync(mounted);
  run('truncate', '--size=32M', image);
  run('mkfs.ext4', '-q', image);
  run('mount', '-o', 'loop,noauto_da_alloc,commit=300', image, mounted);
  t.teardown(() => {
    run('umount', '--lazy', mounted);
    rmSync(folder, { recursive: true });
  });
  return {
    mounted,
    /** The current content of the medium, as after a power cut. */
    cut(): { readonly directory: string; remove(): void } {
      const [copy, directory] = [join(folder, 'copy'), join(folder, 'after')];
      copyFileSync(image, copy);
      mkdirSync(directory);
      run('mount', '-o', 'loop', copy, directory);
      return {
        directory,
        remove: () => {
          run('umount', directory);
          rmSync(directory, { recursive: true });
          rmSync(copy);
        },
      };
    },
  };
}

/** Uses the token as it is after a power cut. */
async function after<T>(
  cutDisk: ReturnType<typeof disk>,
  token: TestToken,
  use: (store: KeyStore) => Promise<T>,
): Promise<T> {
  const copy = cutDisk.cut();
  try {
    const home = join(copy.directory, relative(cutDisk.mounted, token.home));
    const conf = join(token.home, 'after.conf');
    writeFileSync(
      conf,
      `directories.tokendir = ${join(home, 'tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`,
    );
    const store = await connect(token.config({ ...synced, env: { SOFTHSM2_CONF: conf } }));
    try {
      return await use(store);
    } finally {
      await store.close();
    }
  } finally {
    copy.remove();
  }
}

const skip = unavailable(errantDisk);

void t.test('answered jobs survive a power cut', { skip }, async (t) => {
  const medium = disk(t);
  const token = makeToken(t, medium.mounted);
  run('sync', '-f', medium.mounted);
  const { store } = await connectTo(t, token, synced);
  const [key, doomed] = [{ suite: 1, id: await newKey(store) } as const, await newKey(store)];
  const message = await store.encrypt(key, aad, aad);
  t.same(await after(medium, token, (found) => found.decrypt(key, aad, message)), aad, 'a key survives');
  const pair = await newKey(store, P_256);
  await after(medium, token, async (found) => t.ok(await found.publicKey(pair), 'a pair'));
  const imported = randomBytes(16);
  const target = importTarget({ keySpec: 'SYMMETRIC_DEFAULT', keyUsage: 'ENCRYPT_DECRYPT' });
  await store.importPlaintext(randomBytes(32), imported, 'imported', target);
  t.ok(await after(medium, token, (found) => found.exists(imported)), 'imported material survives');
  await store.replaceData('anchor', Buffer.from('new'));
  t.same(
    await after(medium, token, (found) => found.readData('anchor')),
    [Buffer.from('new')],
    'a data object survives',
  );
  await store.destroy(doomed);
  t.notOk(await after(medium, token, (found) => found.exists(doomed)), 'a destroyed key stays destroyed');
});

void t.test('without the setting of the profile answered jobs do not survive', { skip }, async (t) => {
  const medium = disk(t);
  const token = makeToken(t, medium.mounted);
  run('sync', '-f', medium.mounted);
  const { store } = await connectTo(t, token);
  const id = await newKey(store);
  t.notOk(
    await after(medium, token, (found) => found.exists(id)),
    'so the simulated cuts do lose unsynced data',
  );
});

const tokenFolder = (token: TestToken) => {
  const tokens = join(token.home, 'tokens');
  return join(tokens, readdirSync(tokens)[0]!);
};

void t.test('a token.object damaged by a power cut is restored from its second copy', async (t) => {
  const damages: Record<string, (path: string) => void> = {
    empty: (path) => truncateSync(path, 0),
    'cut short': (path) => truncateSync(path, 100),
    'full of zeros': (path) => writeFileSync(path, Buffer.alloc(320)),
    missing: (path) => rmSync(path),
  };
  for (const [name, damage] of Object.entries(damages)) {
    const token = makeToken(t);
    const { store } = await connectTo(t, token, synced);
    const id = await newKey(store);
    await store.close();
    t.same(readdirSync(join(token.home, 'tokens')).length, 1, 'the second copy does not count as a token');
    damage(join(tokenFolder(token), 'token.object'));
    const { store: again, events } = await connectTo(t, token, synced);
    t.ok(await again.exists(id), name);
    t.match(
      events.filter(({ type }) => type === 'notice'),
      [{ notice: /token\.object was damaged .* second copy/ }],
    );
    await again.close();
    const { store: third, events: later } = await connectTo(t, token, synced);
    t.ok(await third.exists(id));
    t.notOk(later.some(({ type }) => type === 'notice'));
  }
});

void t.test('incomplete objects are counted', async (t) => {
  const token = makeToken(t);
  const { store } = await connectTo(t, token, synced);
  const folder = tokenFolder(token);
  const objects = () => readdirSync(folder).filter((name) => /^[0-9a-f-]{36}\.object$/.test(name));
  const kept = await newKey(store);
  const first = objects();
  await newKey(store);
  await newKey(store);
  await store.close();
  const others = objects().filter((name) => !first.includes(name));
  t.equal(others.length, 2);
  truncateSync(join(folder, others[0]!), 0);
  truncateSync(join(folder, others[1]!), 100);
  const { store: again } = await connectTo(t, token, synced);
  t.equal(again.objects.length, 3);
  t.equal(again.objects.filter(({ id }) => id.length === 0).length, 2);
  t.ok(await again.exists(kept));
});

void t.test(
  'a full disk and a read-only disk are named',
  { skip: unavailable(() => memoryDisk(256)) },
  async (t) => {
    const small = memoryDisk(256);
    t.teardown(small.remove);
    const token = makeToken(t, small.directory);
    const settings: Partial<KeyStoreConfig> = { ...synced };
    const { store } = await connectTo(t, token, settings);
    const key = { suite: 1, id: await newKey(store) } as const;
    const fill = join(small.directory, 'fill');
    try {
      for (let size = 65_536; size >= 512; size /= 2)
        for (;;)
          try {
            writeFileSync(fill, Buffer.alloc(size), { flag: 'a' });
          } catch {
            break;
          }
      await t.rejects(newKey(store), { code: 'token-full' });
      await store.encrypt(key, aad, aad);
    } finally {
      rmSync(fill, { force: true });
    }
    const doomed = await newKey(store);
    run('mount', '-o', 'remount,ro', small.directory);
    t.teardown(() => run('mount', '-o', 'remount,rw', small.directory));
    await t.rejects(newKey(store), { code: 'read-only', message: /read-only/ });
    await t.rejects(store.destroy(doomed), { code: 'read-only' });
    await store.encrypt(key, aad, aad);
  },
);
