// Faults of a home and its token: a start reports them and changes nothing.
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { LevelStore } from '../../../daemon/store/leveldb/leveldb.js';
import { TestDaemon } from '../../support/daemon.js';
import { checkout } from '../../support/paths.js';
import { pkcs11Tool } from '../../support/token.js';

void t.test('an address in use and a home path too long for a socket are reported', async (t) => {
  const daemon = await TestDaemon.start(t);
  const port = new URL(daemon.wss).port;
  const other = await TestDaemon.initialise();
  t.teardown(() => other.remove());
  const inUse = { KEYHOLD_PORT: port };
  await t.rejects(other.start(inUse), {
    message: /Cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\).*KEYHOLD_PORT/,
  });
  const config = join(other.home, 'keyhold.yaml');
  writeFileSync(config, `${readFileSync(config, 'utf8')}listen:\n  socket: ${'x'.repeat(100)}.sock\n`);
  await t.rejects(other.start(), { message: /more than 107 bytes.*shorter KEYHOLD_HOME/ });
});

void t.test('a wrong configuration is refused with line and key', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const path = join(daemon.home, 'keyhold.yaml');
  const good = readFileSync(path, 'utf8');
  const cases: [change: (text: string) => string, message: RegExp][] = [
    [
      (text) => text.replace('region: us-east-1', 'region: "nowhere"'),
      /keyhold\.yaml:3: 'region': a Region name such as/,
    ],
    [(text) => `${text}  pins: 3\n`, /keyhold\.yaml:12: 'hsm\.pins'/],
    [(text) => text.replace('file: tokens/pin', 'fle: tokens/pin'), /keyhold\.yaml:9: 'hsm\.pin\.fle'/],
    [(text) => `${text}listen:\n  port: 70000\n`, /keyhold\.yaml:13: 'listen\.port'/],
    [(text) => text.replace('account: "000000000000"', 'account: [1'), /keyhold\.yaml:\d+: /],
    [(text) => text.replace('profile: softhsm2', 'profile: other'), /no profile 'other'/],
    [(text) => text.replace('"000000000000"', '"111111111111"'), /another account or Region/],
  ];
  for (const [change, message] of cases) {
    writeFileSync(path, change(good));
    await t.rejects(daemon.start(), { message }, String(message));
  }
  writeFileSync(path, good);
  await t.rejects(daemon.start({ KEYHOLD_PORT: 'http' }), { message: /KEYHOLD_PORT is 'http'/ });
  t.match(await daemon.admin('../main', [], { KEYHOLD_HOME: '' }), {
    code: 1,
    stderr: /KEYHOLD_HOME is not set/,
  });
});

void t.test('a wrong PIN is tried once, and not again until an operator says so', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const pin = join(daemon.home, 'tokens/pin');
  const good = readFileSync(pin);
  writeFileSync(pin, 'wrong-pin-of-the-test');
  const spy = join(daemon.home, 'spy.log');
  const spied = spyProfile(t, daemon, spy);
  const logins = () => (readFileSync(spied, 'utf8').match(/: C_Login$/gm) ?? []).length;
  await t.rejects(daemon.start(), { message: /PIN.*keyhold login-retry default/ });
  t.equal(logins(), 1, 'the token got one login');
  writeFileSync(pin, good);
  await t.rejects(daemon.start(), { message: /login-retry/ }, 'the correct PIN alone is not enough');
  t.equal(logins(), 1, 'a restart does not try again');
  const latch = readFileSync(join(daemon.home, 'latch/default.json'), 'utf8');
  t.notOk(latch.includes('wrong-pin-of-the-test') || latch.includes(good.toString()));
  t.match(await daemon.admin('login-retry', ['other']), { code: 2, stderr: /no key store 'other'/ });
  t.match(await daemon.admin('login-retry', ['default']), { code: 0 });
  await daemon.start();
  t.notOk((daemon.stdout + daemon.stderr).includes(good.toString()));
});

/** Makes the daemon load its module through OpenSC's pkcs11-spy. @returns the path of the spy's log */
function spyProfile(
  t: { teardown(action: () => unknown): unknown },
  daemon: TestDaemon,
  log: string,
): string {
  const name = `spy-${daemon.home.replaceAll(/[^a-z0-9]/gi, '').toLowerCase()}`;
  const path = join(checkout, 'hsm-config', `${name}.yaml`);
  t.teardown(() => rmSync(path, { force: true }));
  writeFileSync(
    path,
    `name: spied SoftHSM2\nlibrary: /usr/lib/x86_64-linux-gnu/pkcs11-spy.so\nenvironment:\n` +
      `  SOFTHSM2_CONF: \${home}/tokens/softhsm2.conf\n  PKCS11SPY: /usr/lib/softhsm/libsofthsm2.so\n  PKCS11SPY_OUTPUT: ${log}\n`,
  );
  const config = join(daemon.home, 'keyhold.yaml');
  writeFileSync(config, readFileSync(config, 'utf8').replace('profile: softhsm2', `profile: ${name}`));
  return log;
}

void t.test(
  'a PIN file that is readable by others, empty or missing is refused before a login',
  async (t) => {
    const daemon = await TestDaemon.initialise();
    t.teardown(() => daemon.remove());
    const pin = join(daemon.home, 'tokens/pin');
    chmodSync(pin, 0o644);
    await t.rejects(daemon.start(), { message: /chmod 600/ });
    chmodSync(pin, 0o600);
    writeFileSync(pin, '');
    await t.rejects(daemon.start(), { message: /is empty/ });
    rmSync(pin);
    await t.rejects(daemon.start(), { message: /cannot be read \(ENOENT\)/ });
    t.notOk(existsSync(join(daemon.home, 'latch')));
  },
);

void t.test('a missing token and a home that was not initialised are reported', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const config = join(daemon.home, 'keyhold.yaml');
  const text = readFileSync(config, 'utf8');
  writeFileSync(config, text.replace(/tokenLabel: .*/, 'tokenLabel: other'));
  await t.rejects(daemon.start(), { message: /other.*keyhold/s }, 'the error names the tokens that exist');
  writeFileSync(config, text);
  rmSync(join(daemon.home, 'metadata'), { recursive: true });
  await t.rejects(daemon.start(), { message: /metadata does not exist: mount its disk, or restore it/ });
});

void t.test('a start is refused for a record corrupted in LevelDB, and names it', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  const keyId = (await client.createKey({})).keyMetadata.keyId;
  await client.close();
  await daemon.stop();
  const change = async (edit: (value: Buffer) => Buffer) => {
    const store = await LevelStore.open(join(daemon.home, 'metadata'));
    const key = `record/key/${keyId}`;
    const value = (await store.get(key))!;
    await store.batch([{ type: 'put', key, value: edit(value) }]);
    await store.close();
    return value;
  };
  const good = await change((value) =>
    Buffer.from(value.toString('latin1').replace('"enabled":true', '"enabled":null'), 'latin1'),
  );
  await t.rejects(daemon.start(), {
    message: new RegExp(`'key/${keyId}' fails its integrity check.*backup`),
  });
  await change(() => good);
  await daemon.start();
});

void t.test('foreign objects in the token are counted and never touched', async (t) => {
  const daemon = await TestDaemon.start(t);
  await daemon.stop();
  const tool = (...args: string[]) => pkcs11Tool(daemon, ...args);
  tool('--keypairgen', '--key-type', 'EC:prime256v1', '--label', 'theirs', '--id', '01');
  tool(
    '--keygen',
    '--key-type',
    'AES:32',
    '--label',
    'keyhold/1234abcd-12ab-34cd-56ef-1234567890ab',
    '--id',
    '02',
  );
  await daemon.start();
  const client = await daemon.connect();
  await client.createKey({});
  await client.close();
  await daemon.stop('SIGKILL');
  await daemon.start();
  await daemon.stop();
  const objects = tool('--list-objects');
  t.match(objects, /theirs/);
  t.match(objects, /1234abcd/, "even an object that is labelled like Keyhold's is left alone");
});

void t.test('a key whose object is missing is Unavailable, and its record stays', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  const keyId = (await client.createKey({})).keyMetadata.keyId;
  await client.close();
  await daemon.stop();
  pkcs11Tool(daemon, '--delete-object', '--type', 'secrkey', '--label', `keyhold/${keyId}`);
  await daemon.start();
  const again = await daemon.connect();
  t.match((await again.describeKey({ keyId })).keyMetadata, { keyState: 'Unavailable', enabled: false });
  await t.rejects(again.encrypt({ keyId, plaintext: Buffer.from('x') }), {
    code: 'KMSInvalidStateException',
  });
  await again.close();
});
