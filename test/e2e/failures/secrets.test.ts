// No log, error, audit record, record of the store or process list shows a secret. The test runs everything that handles
// secrets, and searches everything that was written for each of them.
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { LevelStore } from '../../../daemon/store/leveldb/leveldb.js';
import { type FieldShape, type MessageShape, operationShapes } from '../../../proto/schema/descriptor.js';
import { addTokens } from '../../support/custom-key-store.js';
import { TestDaemon } from '../../support/daemon.js';
import {
  credentials,
  cryptography,
  customKeyStore,
  FullRun,
  imports,
  regionLinks,
  transports,
} from '../../support/full-run.js';
import { SecretSearch, writtenForms } from '../../support/secret-search.js';
import { childrenOf } from '../../support/processes.js';

/** Files that may contain a secret, and which one. */
const holders: Readonly<Record<string, string>> = {
  credentials: 'secret of the root',
  'tokens/pin': 'PIN',
  'tokens/so-pin': 'SO PIN',
  'tokens/lab/pin': 'PIN of the custom key store',
};

/** The files under a folder, relative to it. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(folder, name), { throwIfNoEntry: false })?.isFile(),
  );
}

/** Secrets found in files of a home that may not contain them: `file: secret (form)`. */
function findInHome(home: string, secrets: SecretSearch): string[] {
  return filesIn(home).flatMap((name) =>
    secrets
      .find(readFileSync(join(home, name)))
      .filter((found) => found.replace(/ \([^(]*$/, '') !== holders[name])
      .map((found) => `${name}: ${found}`),
  );
}

/** Whether a message contains bytes or a secret. */
function bearsSecrets({ fields }: MessageShape): boolean {
  const bears = ({ kind, sensitive, message }: FieldShape): boolean =>
    kind === 'bytes' || sensitive || (message?.fields.some(bears) ?? false);
  return fields.some(bears);
}

void t.test('the search finds a secret in every form', (t) => {
  const secrets = new SecretSearch();
  const bytes = Buffer.from('9f3b00ff7c1d2ae4558801c3b7e6d90a42f1', 'hex');
  secrets.add('planted', bytes);
  for (const [form, text] of Object.entries(writtenForms(bytes))) {
    t.match(secrets.find(Buffer.from(`some text ${text} more`, 'latin1')), [/^planted /], form);
    t.match(secrets.find(Buffer.from(text, 'latin1')), [/^planted /], `${form} is found, and nothing else`);
  }
  const changed = Buffer.from(bytes.map((byte) => byte ^ 1));
  for (const text of Object.values(writtenForms(changed)))
    t.strictSame(secrets.find(Buffer.from(text, 'latin1')), []);
  t.end();
});

void t.test('a run through everything that handles secrets', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const [token] = addTokens(daemon, { label: 'lab', workers: 1 });
  daemon.configure(
    'logLevel: trace\nallowSeed: true\nregions: { listen: { port: 0 } }\naudit:\n  checkpointRecords: 10',
  );
  await daemon.start();
  const client = await daemon.connect({ maxAttempts: 1, timeout: 90_000 });
  const secrets = new SecretSearch();
  const run = new FullRun(daemon, client, secrets);
  run.keep('PIN', readFileSync(join(daemon.home, 'tokens/pin')));
  run.keep('SO PIN', readFileSync(join(daemon.home, 'tokens/so-pin')));
  const folder = t.testdir({});
  await cryptography(run);
  await imports(run);
  await customKeyStore(run, token!);
  await credentials(run, join(folder, 'credentials'));
  await transports(run);
  await regionLinks(run);
  t.ok(secrets.count > 60, `${secrets.count} secrets were used`);

  await t.test('every operation with bytes or secrets was called', (t) => {
    const done = new Set(daemon.auditRecords().map(({ eventName }) => eventName));
    const bearing = operationShapes.filter(
      ({ request, response }) => bearsSecrets(request) || bearsSecrets(response),
    );
    t.ok(bearing.length >= 19, `${bearing.length} operations`);
    for (const name of ['AssumeRole', 'CreateAccessKey', 'CreateGrant']) t.ok(done.has(name), name);
    t.strictSame(
      bearing.map(({ name }) => name).filter((name) => !done.has(name)),
      [],
    );
    t.end();
  });

  await t.test('no process shows a secret, and none leaves a core dump', (t) => {
    const workers = childrenOf(daemon.pid);
    t.ok(workers.length >= 3, 'the workers of both stores run');
    for (const pid of [daemon.pid, ...workers]) {
      const shown = (name: string) => readFileSync(`/proc/${pid}/${name}`);
      for (const name of ['cmdline', 'environ']) t.strictSame(secrets.find(shown(name)), [], name);
      t.match(
        shown('limits').toString(),
        /^Max core file size +0 +0 +bytes/m,
        'the soft and hard limit of core files are 0',
      );
      t.match(shown('coredump_filter').toString(), /^0+\n$/, 'a core dump elsewhere would contain no memory');
    }
    t.end();
  });

  await t.test('the home contains no secret while the daemon runs, and clients receive none', (t) => {
    t.strictSame(findInHome(daemon.home, secrets), []);
    t.ok(run.told.length > 5_000, 'clients received many errors');
    t.strictSame(secrets.find(Buffer.from(run.told)), []);
    t.end();
  });

  await client.close();
  const programs = [await daemon.cli(['doctor']), await daemon.cli(['audit', 'verify'])];
  await daemon.stop();
  programs.push(await daemon.cli(['init']));

  await t.test('neither logs nor records of the store contain a secret after a stop', async (t) => {
    t.strictSame(findInHome(daemon.home, secrets), []);
    t.ok(daemon.stderr.length > 2_000, 'the log is not empty');
    t.strictSame(
      programs.map(({ code }) => code),
      [0, 0, 0],
    );
    const printed = programs.map(({ stdout, stderr }) => stdout + stderr).join('');
    t.strictSame(secrets.find(Buffer.from(daemon.stdout + daemon.stderr + printed)), []);
    const store = await LevelStore.open(join(daemon.home, 'metadata'));
    const values: Buffer[] = [];
    // LevelDB compresses its files.
    for await (const { key, value } of store.range({ from: '', to: '\uffff' }))
      values.push(Buffer.from(key), value);
    await store.close();
    t.ok(values.length > 60, `${values.length} keys and values`);
    t.strictSame(secrets.find(Buffer.concat(values)), []);
  });

  await t.test('the search finds the secrets that files may contain', (t) => {
    const known = new SecretSearch();
    known.add('known', daemon.credentials.accessKeyId);
    const found = findInHome(daemon.home, known).map((each) => each.replace(/:.*/, ''));
    for (const name of ['credentials', /^audit\/audit-/, /^metadata\//])
      t.ok(
        found.some((each) => (typeof name === 'string' ? each === name : name.test(each))),
        String(name),
      );
    const folder = join(daemon.home, 'planted');
    mkdirSync(folder);
    for (const name of ['PIN', 'SO PIN']) {
      const file = name === 'PIN' ? 'pin' : 'so-pin';
      writeFileSync(
        join(folder, file),
        `{"pin":${JSON.stringify(readFileSync(join(daemon.home, 'tokens', file)))}}`,
      );
      t.match(findInHome(daemon.home, secrets), [`planted/${file}: ${name} (numbers)`]);
      rmSync(join(folder, file));
    }
    t.end();
  });
});

void t.test('a PIN from the environment stays in the environment of the daemon only', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const path = join(daemon.home, 'keyhold.yaml');
  const pin = readFileSync(join(daemon.home, 'tokens/pin'), 'utf8');
  writeFileSync(path, readFileSync(path, 'utf8').replace('file: tokens/pin', 'env: PIN_OF_THE_TOKEN'));
  await daemon.start({ PIN_OF_THE_TOKEN: pin });
  const secrets = new SecretSearch();
  secrets.add('PIN', pin);
  const workers = childrenOf(daemon.pid);
  t.ok(workers.length > 0);
  for (const pid of workers) t.strictSame(secrets.find(readFileSync(`/proc/${pid}/environ`)), []);
  t.ok(
    secrets.find(readFileSync(`/proc/${daemon.pid}/environ`)).length > 0,
    'the environment of the daemon contains the PIN',
  );
});
