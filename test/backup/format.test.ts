// The file of a backup: written whole or not at all, and refused if it differs from what was signed.
import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes, sign as signWith } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { type Manifest, manifestMessage } from '../../daemon/backup/manifest.js';
import { OpenedBackup } from '../../daemon/backup/read.js';
import { decodeRecords } from '../../daemon/backup/records-entry.js';
import { tarEnd, tarHeader, tarPadding } from '../../daemon/backup/tar.js';
import { type BackupContent, writeBackup } from '../../daemon/backup/write.js';
import { memoryDisk, unavailable } from '../audit/disks.js';

const folder = mkdtempSync(join(tmpdir(), 'kh-format-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const sign = (message: Buffer) => Promise.resolve(signWith('sha256', message, privateKey));
const longPath = `tokens/softhsm2/${'a'.repeat(36)}/${'b'.repeat(60)}.object`;

const content: BackupContent = {
  facts: {
    version: '1.0.0',
    account: '000000000000',
    region: 'us-east-1',
    storeId: '1234abcd-12ab-34cd-56ef-1234567890ab',
    profile: 'softhsm2',
    withToken: true,
    store: { records: 3000, epoch: 7 },
    audit: { sequence: 5, hash: '0'.repeat(64) },
    elsewhere: [],
  },
  records: Array.from({ length: 3000 }, (_, at) => ({ key: `record/${at}`, value: Buffer.alloc(at, 1) })),
  files: [
    { path: 'keyhold.yaml', bytes: Buffer.from('account: "000000000000"\n') },
    { path: longPath, bytes: Buffer.alloc(512) },
    { path: 'empty', bytes: Buffer.alloc(0) },
  ],
};
const open = (path: string) => OpenedBackup.open(path, publicKey, () => undefined);

void t.test('a written backup can be read, also by tar', async (t) => {
  const path = join(folder, 'whole');
  const { size, sha256 } = await writeBackup(path, content, sign);
  const bytes = readFileSync(path);
  t.equal(size, bytes.length);
  t.equal(sha256, createHash('sha256').update(bytes).digest('hex'));
  t.equal(statSync(path).mode & 0o777, 0o600);
  const backup = await open(path);
  const keys: string[] = [];
  const files = new Map<string, Buffer>();
  await backup.extract(async ({ name }, body) => {
    if (name === 'metadata.records') for await (const { key } of decodeRecords(body)) keys.push(key);
    else {
      const parts: Buffer[] = [];
      for await (const part of body) parts.push(Buffer.from(part));
      files.set(name, Buffer.concat(parts));
    }
  });
  await backup.close();
  t.strictSame(
    keys,
    content.records.map(({ key }) => key),
  );
  t.strictSame(
    [...files],
    content.files.map(({ path, bytes }) => [`home/${path}`, bytes]),
  );
  const listed = execFileSync('tar', ['-tzf', path], { encoding: 'utf8' }).trim().split('\n');
  t.strictSame(listed, ['metadata.records', ...files.keys(), 'manifest.json', 'manifest.sig']);
});

void t.test('a backup that fails leaves nothing', async (t) => {
  const path = join(folder, 'failed');
  const failing = () => Promise.reject(new Error('the HSM does not answer'));
  await t.rejects(writeBackup(path, content, failing), { message: 'the HSM does not answer' });
  await t.rejects(writeBackup('/dev/full/x', content, sign), { code: 'not-written' });
  writeFileSync(path, 'mine');
  await t.rejects(writeBackup(path, content, sign), {
    code: 'not-written',
    message: /a file is there already/,
  });
  t.equal(readFileSync(path, 'utf8'), 'mine');
  t.strictSame(
    readdirSync(folder).filter((name) => name.endsWith('.new')),
    [],
  );
});

void t.test(
  'on a full disk a backup leaves nothing, and says so',
  { skip: unavailable(() => memoryDisk(64)) },
  async (t) => {
    const disk = memoryDisk(64);
    t.teardown(() => disk.remove());
    const path = join(disk.directory, 'whole');
    const random = { path: 'random', bytes: randomBytes(256 * 1024) };
    await t.rejects(writeBackup(path, { ...content, files: [...content.files, random] }, sign), {
      code: 'not-written',
      message: /ENOSPC/,
    });
    t.strictSame(readdirSync(disk.directory), []);
    await writeBackup(path, content, sign);
    await (await open(path)).close();
  },
);

/** An archive whose manifest was changed before it was signed, or after. */
async function forged(change: (manifest: Manifest) => unknown, isSigned = true, more = Buffer.alloc(0)) {
  const whole = join(folder, 'to-forge');
  rmSync(whole, { force: true });
  await writeBackup(whole, content, sign);
  const archive = gunzipSync(readFileSync(whole));
  const at = archive.indexOf('manifest.json\0');
  const end = archive.indexOf('}\n\0', at) + 2;
  const before = JSON.parse(archive.toString('utf8', at + 512, end)) as Manifest;
  const manifest = Buffer.from(JSON.stringify(change(before) ?? before));
  const signature = await sign(manifestMessage(isSigned ? manifest : archive.subarray(at + 512, end)));
  const entry = (name: string, bytes: Buffer) => [
    tarHeader({ name, size: bytes.length }, 0),
    bytes,
    tarPadding(bytes.length),
  ];
  const parts = [
    archive.subarray(0, at),
    more,
    ...entry('manifest.json', manifest),
    ...entry('manifest.sig', signature),
    tarEnd,
  ];
  const path = join(folder, 'forged');
  writeFileSync(path, gzipSync(Buffer.concat(parts)));
  return path;
}

void t.test('a backup that differs from what was signed is refused', async (t) => {
  await t.resolves(open(await forged(() => undefined)).then((backup) => backup.close()));
  await t.rejects(open(await forged((manifest) => (manifest.store.epoch += 1), false)), {
    code: 'not-authentic',
  });
  await t.rejects(open(await forged(() => ({ format: 2 }))), { code: 'newer' });
  await t.rejects(open(await forged(() => ({ format: 1 }))), { code: 'not-authentic', message: /malformed/ });
  const escaping = (manifest: Manifest) => {
    manifest.entries[1]!.name = 'home/../../etc/passwd';
  };
  await t.rejects(open(await forged(escaping)), { message: /malformed/ });
  const missing = (manifest: Manifest) => void manifest.entries.pop();
  await t.rejects(open(await forged(missing)), { message: /not those that were signed/ });
  const extra = Buffer.concat([tarHeader({ name: 'home/extra', size: 0 }, 0)]);
  await t.rejects(open(await forged(() => undefined, true, extra)), {
    message: /not those that were signed/,
  });
});
