// Start, stop, reload, and everything that can be wrong with a home.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { LevelStore } from '../../daemon/store/leveldb.js';
import { TestDaemon } from '../support/daemon.js';
import { checkout } from '../support/paths.js';

/** The worker processes of a daemon. */
function workersOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number);
}

const isRunning = (pid: number) => existsSync(`/proc/${pid}`);

async function eventually(condition: () => boolean, within: number): Promise<boolean> {
  for (const end = Date.now() + within; Date.now() < end;) {
    if (condition()) return true;
    await new Promise((done) => setTimeout(done, 50));
  }
  return condition();
}

void t.test(
  'a stop drains: what is in flight is answered, the log is checkpointed, nothing is left running',
  async (t) => {
    const daemon = await TestDaemon.start(t);
    const workers = workersOf(daemon.pid);
    t.ok(workers.length >= 2);
    const client = await daemon.connect({ maxAttempts: 1 });
    const { keyMetadata } = await client.createKey({});
    const keyId = keyMetadata!.keyId!;
    const work = Array.from({ length: 100 }, () => client.encrypt({ keyId, plaintext: Buffer.from('x') }));
    // When the first is answered the others have left too: there are fewer than the client keeps in flight.
    await work[0];
    const stopped = daemon.stop('SIGTERM');
    const results = await Promise.allSettled(work);
    t.equal(results.filter((result) => result.status === 'fulfilled').length, 100);
    t.equal(await stopped, 0);
    await client.close();
    t.ok(await eventually(() => !workers.some(isRunning), 20_000), 'the workers ended');
    t.notOk(existsSync(join(daemon.home, 'keyhold.sock')));
    const records = daemon.auditRecords();
    t.equal(records.filter((record) => record.eventName === 'Encrypt').length, 100);
    t.match(records.filter((record) => record.eventSource).at(-1), { eventName: 'StopService' });
    t.match(records.at(-1), { eventType: 'KeyholdCheckpoint' });
    t.match(await daemon.admin('audit-verify'), { code: 0 });
    await t.test('SIGINT does the same, and a key made before is there after the restart', async (t) => {
      await daemon.start();
      const again = await daemon.connect();
      t.equal((await again.describeKey({ keyId })).keyMetadata!.arn, keyMetadata!.arn);
      await again.close();
      t.equal(await daemon.stop('SIGINT'), 0);
    });
  },
);

void t.test(
  'a second daemon on the same home refuses to start and says why; a stale socket is replaced',
  async (t) => {
    const daemon = await TestDaemon.start(t);
    const second = await daemon.admin('../main');
    t.match(second, { code: 1, stderr: /is in use by another daemon/ });
    const client = await daemon.connect();
    t.ok(await client.generateRandom({ numberOfBytes: 8 }), 'the first one goes on');
    await client.close();
    const workers = workersOf(daemon.pid);
    t.equal(await daemon.stop('SIGKILL'), 'SIGKILL');
    t.ok(await eventually(() => !workers.some(isRunning), 20_000), 'killed, it leaves no worker');
    t.ok(existsSync(join(daemon.home, 'keyhold.sock')));
    await daemon.start();
    t.equal(statSync(join(daemon.home, 'keyhold.sock')).mode & 0o777, 0o660);
  },
);

void t.test(
  'SIGHUP reads certificate and log level anew, and a wrong configuration changes nothing',
  async (t) => {
    const daemon = await TestDaemon.start(t);
    const fingerprint = async () => {
      const { hostname, port } = new URL(daemon.wss);
      const socket = connectTls({ host: hostname, port: Number(port), ca: daemon.ca });
      await once(socket, 'secureConnect');
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      return fingerprint256;
    };
    const before = await fingerprint();
    rmSync(join(daemon.home, 'tls/server.pem'));
    t.match(
      await daemon.admin('init'),
      { code: 1, stderr: /in use by another daemon/ },
      'init makes the certificate first',
    );
    process.kill(daemon.pid, 'SIGHUP');
    let after = before;
    for (let tries = 0; after === before && tries < 50; tries++) after = await fingerprint();
    t.not(after, before);
    writeFileSync(join(daemon.home, 'keyhold.yaml'), 'nonsense: [');
    process.kill(daemon.pid, 'SIGHUP');
    t.ok(await eventually(() => daemon.stderr.includes('the configuration was not reloaded'), 5_000));
    t.equal(await fingerprint(), after);
  },
);

void t.test('an address in use, and a home whose path is too long for a socket, are said so', async (t) => {
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

void t.test('/healthz says more over the unix socket than over TCP', async (t) => {
  const daemon = await TestDaemon.start(t);
  const local = await new Promise<{ status?: number; body: unknown }>((resolve, reject) => {
    const asked = request({ socketPath: join(daemon.home, 'keyhold.sock'), path: '/healthz' }, (response) => {
      let body = '';
      response.on('data', (data: Buffer) => (body += data.toString()));
      response.on('end', () => resolve({ status: response.statusCode, body: JSON.parse(body) }));
    });
    asked.on('error', reject).end();
  });
  t.match(local, {
    status: 200,
    body: {
      healthy: true,
      keyStores: { default: 'connected' },
      audit: { available: true, sequence: Number, hash: /^[0-9a-f]{64}$/ },
    },
  });
});

void t.test('a configuration that is wrong is refused by line and key', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const path = join(daemon.home, 'keyhold.yaml');
  const good = readFileSync(path, 'utf8');
  const cases: [change: (text: string) => string, message: RegExp][] = [
    [
      (text) => text.replace('region: us-east-1', 'region: "nowhere"'),
      /keyhold\.yaml:3: 'region': a Region name such as/,
    ],
    [(text) => `${text}  pins: 3\n`, /keyhold\.yaml:9: 'hsm\.pins'/],
    [(text) => text.replace('file: tokens/pin', 'fle: tokens/pin'), /keyhold\.yaml:8: 'hsm\.pin\.fle'/],
    [(text) => `${text}listen:\n  port: 70000\n`, /keyhold\.yaml:10: 'listen\.port'/],
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
  t.equal(logins(), 1, 'the token saw one try');
  writeFileSync(pin, good);
  await t.rejects(daemon.start(), { message: /login-retry/ }, 'the right PIN alone is not enough');
  t.equal(logins(), 1, 'and no further one after a restart');
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
  'a PIN file that is open to others, empty or missing is refused before the token is asked',
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

void t.test('no token with that label, and no home that was initialised, are said so', async (t) => {
  const daemon = await TestDaemon.initialise();
  t.teardown(() => daemon.remove());
  const config = join(daemon.home, 'keyhold.yaml');
  const text = readFileSync(config, 'utf8');
  writeFileSync(config, text.replace('tokenLabel: "keyhold"', 'tokenLabel: "other"'));
  await t.rejects(daemon.start(), { message: /other.*keyhold/s }, 'names the tokens that are there');
  writeFileSync(config, text);
  rmSync(join(daemon.home, 'metadata'), { recursive: true });
  await t.rejects(daemon.start(), { message: /not initialised: run 'keyhold init'/ });
});

void t.test('a record that was corrupted in LevelDB stops the start, and is named', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  const keyId = (await client.createKey({})).keyMetadata!.keyId!;
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

void t.test("other people's objects in the token are counted and never touched", async (t) => {
  const daemon = await TestDaemon.start(t);
  await daemon.stop();
  const pin = readFileSync(join(daemon.home, 'tokens/pin'), 'utf8');
  const tool = (...args: string[]) => {
    const base = [
      '--module',
      '/usr/lib/softhsm/libsofthsm2.so',
      '--token-label',
      'keyhold',
      '--login',
      '--pin',
      pin,
    ];
    const env = { ...daemon.env, SOFTHSM2_CONF: join(daemon.home, 'tokens/softhsm2.conf') };
    return execFileSync('pkcs11-tool', [...base, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).toString();
  };
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
  t.match(objects, /1234abcd/, 'not even one that is labelled like ours');
});

void t.test('a key whose object is gone is Unavailable, and its record stays', async (t) => {
  const daemon = await TestDaemon.start(t);
  const client = await daemon.connect();
  const keyId = (await client.createKey({})).keyMetadata!.keyId!;
  await client.close();
  await daemon.stop();
  const pin = readFileSync(join(daemon.home, 'tokens/pin'), 'utf8');
  const env = { ...daemon.env, SOFTHSM2_CONF: join(daemon.home, 'tokens/softhsm2.conf') };
  const base = [
    '--module',
    '/usr/lib/softhsm/libsofthsm2.so',
    '--token-label',
    'keyhold',
    '--login',
    '--pin',
    pin,
  ];
  execFileSync(
    'pkcs11-tool',
    [...base, '--delete-object', '--type', 'secrkey', '--label', `keyhold/${keyId}`],
    { env, stdio: 'ignore' },
  );
  await daemon.start();
  const again = await daemon.connect();
  t.match((await again.describeKey({ keyId })).keyMetadata, { keyState: 'Unavailable', enabled: false });
  await t.rejects(again.encrypt({ keyId, plaintext: Buffer.from('x') }), {
    code: 'KMSInvalidStateException',
  });
  await again.close();
});
