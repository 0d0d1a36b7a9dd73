// keyhold init: the next run finishes an interrupted one, and replaces or destroys nothing that exists.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LevelStore } from '../../../daemon/store/leveldb/leveldb.js';
import { TestDaemon } from '../../support/daemon.js';
import { checkout } from '../../support/paths.js';
import { labels } from '../../support/token.js';

const internal = ['audit-signing', 'audit-signing', 'record-mac', 'secrets'].map(
  (name) => `keyhold/internal/${name}`,
);

/** The path of a home that does not exist yet. */
function newHome(t: Test): TestDaemon {
  const folder = mkdtempSync(join(tmpdir(), 'kh-init-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return TestDaemon.at(join(folder, 'home'));
}

/** Content of every file below a folder, by relative path; without LevelDB's text log. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && !/^LO(CK|G(\.old)?)$/.test(entry.name),
  );
  const named = files.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return [path.slice(folder.length), readFileSync(path, 'latin1')] as const;
  });
  return Object.fromEntries(named);
}

function countFiles(folder: string): number {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .length;
}

async function killWhenThereAre(files: number, { home, env }: TestDaemon): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(checkout, 'dist/daemon/admin/init.js'), '--make-token'], {
    env,
    detached: true,
    stdio: 'ignore',
  });
  const ended = once(child, 'close');
  while (child.exitCode === null && child.signalCode === null) {
    if (countFiles(home) < files) {
      await new Promise((done) => setTimeout(done, 2));
      continue;
    }
    // The workers are killed too, as when the machine stops.
    process.kill(-child.pid!, 'SIGKILL');
    break;
  }
  await ended;
  return child;
}

/** In the long run a kill after every file; in the short one after every ninth. */
const step = process.env.KEYHOLD_FAULTS === 'all' ? 1 : 9;

void t.test('the next run finishes a first run that is killed at any point', async (t) => {
  let last: TestDaemon | undefined;
  for (let files = 1; ; files += step) {
    const daemon = newHome(t);
    const { signalCode } = await killWhenThereAre(files, daemon);
    if (signalCode === null) break;
    t.match(
      await daemon.admin('init', ['--make-token']),
      { code: 0, stderr: '' },
      `killed with ${files} files`,
    );
    t.notOk(existsSync(join(daemon.home, 'initialising')));
    const found = labels(daemon);
    // Half of a key pair that a kill left stays in the token, since nothing is destroyed.
    for (const label of new Set(internal)) t.ok(found.includes(label), label);
    t.ok(found.length <= internal.length + 1, found.join());
    t.match(await daemon.admin('init'), { code: 0, stderr: '' }, 'another run has nothing to do');
    last = daemon;
  }
  await last!.start();
  const client = await last!.connect();
  t.ok((await client.createKey({})).keyMetadata?.keyId);
  await client.close();
  t.equal(await last!.stop(), 0);
});

void t.test('init refuses each trace of an earlier home, names it, and changes nothing', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  await client.createKey({});
  await client.close();
  await daemon.stop();
  const volume = join(daemon.home, '..', `volume-${daemon.pid}`);
  renameSync(join(daemon.home, 'metadata'), volume);
  t.teardown(() => rmSync(volume, { recursive: true, force: true }));
  const refused = async (message: RegExp) => {
    const before = contents(daemon.home);
    t.match(await daemon.admin('init'), { code: 1, stderr: message });
    t.strictSame(contents(daemon.home), before);
  };
  await refused(/has audit\/, audit-public-key\.pem, credentials and env\..*Mount its disk/);
  await t.rejects(daemon.start(), { message: /metadata does not exist: mount its disk/ });
  mkdirSync(join(daemon.home, 'metadata'));
  await refused(/has audit\//);
  rmSync(join(daemon.home, 'metadata'), { recursive: true });
  for (const name of ['audit', 'audit-public-key.pem', 'credentials']) {
    renameSync(join(daemon.home, name), join(daemon.home, `${name}.kept`));
  }
  await refused(/it has env\. /);
  rmSync(join(daemon.home, 'env'));
  writeFileSync(join(daemon.home, '.initialised'), '');
  await refused(/it has \.initialised\. /);
  rmSync(join(daemon.home, '.initialised'));
  const inToken = labels(daemon);
  t.match(await daemon.admin('init'), {
    code: 1,
    stderr: /token 'keyhold' has \d+ objects of a Keyhold \(keyhold\/.*--share-token/,
  });
  t.notOk(existsSync(join(daemon.home, 'metadata')));
  t.notOk(existsSync(join(daemon.home, 'credentials')));
  t.strictSame(labels(daemon), inToken);
  // The disk is back.
  renameSync(volume, join(daemon.home, 'metadata'));
  for (const name of ['audit', 'audit-public-key.pem', 'credentials']) {
    renameSync(join(daemon.home, `${name}.kept`), join(daemon.home, name));
  }
  await daemon.start();
  const again = await daemon.connect();
  t.equal((await again.listKeys({})).keys?.length, 1);
  await again.close();
});

void t.test('--share-token uses a token with another Keyhold, which keeps its objects', async (t) => {
  const first = await TestDaemon.initialise();
  t.teardown(() => first.remove());
  const second = newHome(t);
  mkdirSync(second.home);
  cpSync(join(first.home, 'tokens'), join(second.home, 'tokens'), { recursive: true });
  t.match(await second.admin('init'), { code: 1, stderr: /has 4 objects of a Keyhold/ });
  t.match(await second.admin('init', ['--share-token']), { code: 0 });
  t.strictSame(labels(second), [...internal, ...internal].sort());
});

void t.test('because of records without a MAC nothing is destroyed and no store emptied', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  const { keyId } = (await client.createKey({})).keyMetadata;
  const { ciphertextBlob } = await client.encrypt({ keyId: keyId, plaintext: Buffer.from('payroll') });
  await client.close();
  await daemon.stop();
  const inToken = labels(daemon);
  const path = join(daemon.home, 'metadata');
  const store = await LevelStore.open(path);
  const instance = (await store.get('meta/instance'))!;
  const record = (await store.get(`record/key/${keyId}`))!.toString('utf8', 40);
  const { materials } = JSON.parse(record) as { materials: { objectId: string }[] };
  const { internalKeys } = JSON.parse(instance.toString()) as { internalKeys: Record<string, string> };
  const listed = [...materials.map(({ objectId }) => objectId), ...Object.values(internalKeys)];
  await store.batch([
    { type: 'put', key: 'meta/initialising', value: Buffer.from(JSON.stringify(listed)) },
    { type: 'delete', key: 'meta/instance' },
  ]);
  await store.close();
  t.match(await daemon.admin('init'), { code: 1, stderr: /has no instance record.*Restore/ });
  await t.rejects(daemon.start(), { message: /has no instance record: restore it from a backup/ });
  // A forged plan of an interrupted run destroys nothing either.
  const plan = {
    storeId: '0b4f7f0e-5f0f-4b6e-8f0a-3f9d1f0c2a11',
    keys: mapValues(internalKeys, (id) => [id]),
  };
  const journal = await LevelStore.create(join(daemon.home, 'initialising'));
  await journal.batch([{ type: 'put', key: 'plan', value: Buffer.from(JSON.stringify(plan)) }]);
  await journal.close();
  t.match(await daemon.admin('init'), { code: 1, stderr: /has no instance record.*Restore/ });
  cpSync(path, `${path}.kept`, { recursive: true });
  rmSync(path, { recursive: true });
  t.match(await daemon.admin('init'), { code: 1, stderr: /has audit\/ and env/ });
  const log = join(daemon.home, 'audit');
  renameSync(log, `${path}.log`);
  rmSync(join(daemon.home, 'env'));
  t.match(await daemon.admin('init'), { code: 1, stderr: /token 'keyhold' has \d+ objects/ });
  t.strictSame(labels(daemon), inToken);
  rmSync(path, { recursive: true, force: true });
  renameSync(`${path}.kept`, path);
  renameSync(`${path}.log`, log);
  const again = await LevelStore.open(path);
  await again.batch([{ type: 'put', key: 'meta/instance', value: instance }]);
  await again.close();
  await daemon.start();
  const later = await daemon.connect();
  const { plaintext } = await later.decrypt({ ciphertextBlob: ciphertextBlob });
  t.equal(Buffer.from(plaintext).toString(), 'payroll');
  await later.close();
});

function mapValues<V, W>(object: Record<string, V>, change: (value: V) => W): Record<string, W> {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));
}

void t.test('an instance record cannot name a key that somebody may use', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  const { keyId } = (await client.createKey({ keySpec: 'HMAC_256', keyUsage: 'GENERATE_VERIFY_MAC' }))
    .keyMetadata;
  await client.close();
  await daemon.stop();
  const store = await LevelStore.open(join(daemon.home, 'metadata'));
  const record = (await store.get(`record/key/${keyId}`))!.toString('utf8', 40);
  const { materials } = JSON.parse(record) as { materials: { objectId: string }[] };
  const instance = JSON.parse((await store.get('meta/instance'))!.toString()) as {
    internalKeys: Record<string, string>;
  };
  instance.internalKeys['record-mac'] = materials[0]!.objectId;
  await store.batch([{ type: 'put', key: 'meta/instance', value: Buffer.from(JSON.stringify(instance)) }]);
  await store.close();
  await t.rejects(daemon.start(), { message: /keyhold\/internal\/record-mac.*not in it/ });
});

void t.test('an empty or different token is reported, and no new one is created', async (t) => {
  const daemon = await TestDaemon.start(t);
  const other = await TestDaemon.initialise({ own: true });
  t.teardown(() => other.remove());
  await daemon.stop();
  const tokens = join(daemon.home, 'tokens');
  renameSync(tokens, `${tokens}.kept`);
  await t.rejects(
    daemon.start(),
    { message: /tokens\/pin cannot be read|The PIN file/ },
    'a disk that is not mounted is reported',
  );
  mkdirSync(join(tokens, 'softhsm2'), { recursive: true });
  for (const name of ['pin', 'so-pin']) cpSync(join(`${tokens}.kept`, name), join(tokens, name));
  t.match(await daemon.admin('init'), { code: 1, stderr: /no token|shows no/i }, 'no token is created');
  await t.rejects(daemon.start(), { message: /keyhold/ });
  t.equal(countFiles(join(tokens, 'softhsm2')), 0);
  rmSync(tokens, { recursive: true });
  cpSync(join(other.home, 'tokens'), tokens, { recursive: true });
  const theirs = labels(daemon);
  await t.rejects(daemon.start(), {
    message: /not the one that this home was made with.*restore it from its backup/,
  });
  t.match(await daemon.admin('init'), { code: 1, stderr: /not the one that this home was made with/ });
  t.strictSame(labels(daemon), theirs);
  rmSync(tokens, { recursive: true });
  renameSync(`${tokens}.kept`, tokens);
  await daemon.start();
});
