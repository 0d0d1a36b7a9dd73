import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { KeyStoreConfig } from '../../../daemon/hsm/pool/config.js';
import { connect } from '../../../daemon/hsm/pool/connect.js';
import { fileLatch } from '../../../daemon/hsm/pool/latch.js';
import {
  LIBRARY,
  PIN,
  SPY,
  connectTo,
  initializeToken,
  makeToken,
  newKey,
  pids,
  until,
  type TestToken,
} from '../token.js';

/** A configuration with a spy module between the workers and SoftHSM that logs all calls to one file. */
function spied(token: TestToken, changes: Partial<KeyStoreConfig>): KeyStoreConfig {
  const env = { ...token.env, PKCS11SPY: LIBRARY, PKCS11SPY_OUTPUT: join(token.home, 'spy.log') };
  return token.config({ library: SPY, env, ...changes });
}

function spyLog(token: TestToken): string {
  const path = join(token.home, 'spy.log');
  return existsSync(path) ? readFileSync(path, 'latin1') : '';
}

function logins(token: TestToken): number {
  return spyLog(token).match(/: C_Login\b/g)?.length ?? 0;
}

void t.test('a wrong PIN reaches the token once, even across restarts, until an operator acts', async (t) => {
  const token = makeToken(t);
  const latch = fileLatch(token.home, 'test');
  let pinReads = 0;
  const wrong = spied(token, {
    workers: 3,
    latch,
    readPin: () => {
      pinReads++;
      return Promise.resolve(Buffer.from('9999'));
    },
  });
  await t.rejects(connect(wrong), { code: 'login-refused', message: /CKR_PIN_INCORRECT/ });
  t.equal(logins(token), 1);
  for (let restart = 0; restart < 4; restart++)
    await t.rejects(connect({ ...wrong, latch: fileLatch(token.home, 'test') }), {
      code: 'login-refused',
      message: /keyhold login-retry test/,
    });
  t.equal(logins(token), 1);
  t.equal(pinReads, 1, 'the PIN is not read either');
  const file = join(token.home, 'latch', 'test.json');
  t.notMatch(readFileSync(file, 'utf8'), '9999');
  t.match(JSON.parse(readFileSync(file, 'utf8')), { reason: /CKR_PIN_INCORRECT/, time: String });
  t.equal(statSync(file).mode & 0o777, 0o600);

  latch.clear();
  const store = await connect(spied(token, { latch }));
  t.teardown(() => store.close());
  t.equal(store.state, 'connected');
  t.equal(logins(token), 2);
});

void t.test('the second worker logs in only after the first one', async (t) => {
  const token = makeToken(t);
  const { events } = await connectTo(t, token, spied(token, { workers: 3 }));
  await until(() => pids(events).length === 3);
  t.equal(logins(token), 3);
  // The spy logs each call before it is made. No process may start before another has logged in.
  const order = [...spyLog(token).matchAll(/: (C_Login|C_Initialize)\b/g)].map(([, call]) => call);
  t.strictSame(order, ['C_Initialize', 'C_Login', 'C_Initialize', 'C_Login', 'C_Initialize', 'C_Login']);
});

void t.test('a PIN that is refused later is latched, and workers that are logged in continue', async (t) => {
  const token = makeToken(t);
  let pin = PIN;
  const latch = fileLatch(token.home, 'test');
  const { store, events } = await connectTo(
    t,
    token,
    spied(token, { workers: 2, latch, readPin: () => Promise.resolve(Buffer.from(pin)) }),
  );
  const all = (): number[] => pids(events);
  await until(() => all().length === 2);
  const key = { suite: 1, id: await newKey(store) } as const;
  pin = '0000';
  process.kill(all()[0] ?? 0, 'SIGKILL');
  await until(() => latch.isSet());
  t.equal(store.state, 'connected');
  await store.encrypt(key, Buffer.alloc(1), Buffer.alloc(1));
  process.kill(all()[1] ?? 0, 'SIGKILL');
  await until(() => store.state === 'login-refused');
  await t.rejects(store.encrypt(key, Buffer.alloc(1), Buffer.alloc(1)), { code: 'login-refused' });
  await new Promise((resolve) => setTimeout(resolve, 1200));
  t.equal(logins(token), 3, 'two correct PINs and one wrong one were tried');

  pin = PIN;
  latch.clear();
  await until(() => store.state === 'connected');
  await store.encrypt(key, Buffer.alloc(1), Buffer.alloc(1));
});

void t.test('the PIN is in no argument, environment or event, and its buffer is wiped', async (t) => {
  const token = makeToken(t);
  const given = Buffer.from(PIN);
  const { events } = await connectTo(t, token, { readPin: () => Promise.resolve(given) });
  const [pid] = pids(events);
  for (const file of ['cmdline', 'environ'])
    t.notOk(readFileSync(`/proc/${pid}/${file}`).includes(PIN), file);
  t.notMatch(JSON.stringify(events), PIN);
  t.ok(given.equals(Buffer.alloc(given.length)));
  t.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /Max core file size +0 +0 /);
});

void t.test('faults of a module or token are reported in a sentence', async (t) => {
  const token = makeToken(t);
  const refused = (
    changes: Partial<KeyStoreConfig>,
    message: RegExp,
    code: string | RegExp = 'unavailable',
  ): Promise<unknown> => t.rejects(connect(token.config(changes)), { name: 'HsmError', code, message });
  await refused({ library: '/nowhere/lib.so' }, /^There is no file \/nowhere\/lib\.so/);
  await refused({ library: '/etc/passwd' }, /^\/etc\/passwd is no PKCS#11 module/);
  await refused({ library: '/lib/x86_64-linux-gnu/libm.so.6' }, /is no PKCS#11 module.*C_GetFunctionList/);
  await refused(
    { token: { label: 'other' } },
    new RegExp(`label "other".*There are.*"${token.label}"`),
    'no-token',
  );
  await refused({ token: { serial: '00' } }, /serial number 00/, 'no-token');
  await refused(
    { env: { SOFTHSM2_CONF: '/nowhere' } },
    /does not start|no initialised token/,
    /unavailable|no-token/,
  );
  await refused(
    { readPin: () => Promise.reject(new Error('no such file')) },
    /PIN of key store "test" cannot be read/,
  );
  t.notOk(fileLatch(token.home, 'test').isSet());
});

void t.test('two tokens with one label are told apart by serial number', async (t) => {
  const token = makeToken(t);
  initializeToken(token.env, token.label);
  const error: unknown = await connect(token.config()).catch((error: unknown) => error);
  t.match(error, { code: 'unavailable', message: /^More than one token/ });
  const serials = String((error as Error).message).match(/\b[0-9a-f]{16}\b/g) ?? [];
  t.equal(serials.length, 2);
  for (const serial of serials) await (await connect(token.config({ token: { serial } }))).close();
});

void t.test('a token without a user PIN is refused before a login', async (t) => {
  const token = makeToken(t);
  // softhsm2-util always sets a user PIN; C_InitToken does not.
  execFileSync(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `import { Module, TokenFlag } from 'graphene-pk11';
       const module = Module.load(${JSON.stringify(LIBRARY)});
       module.initialize();
       const free = [...module.getSlots(true)].find((slot) => !(slot.getToken().flags & TokenFlag.TOKEN_INITIALIZED));
       module.lib.C_InitToken(free.handle, '87654321', 'no-user-pin'.padEnd(32));`,
    ],
    { env: { ...process.env, ...token.env } },
  );
  await t.rejects(connect(spied(token, { token: { label: 'no-user-pin' } })), {
    code: 'no-user-pin',
    message: /has no user PIN/,
  });
  t.equal(logins(token), 0);
});

void t.test(
  'C_Login gets the user type of the profile; an unknown one does not count as a wrong PIN',
  async (t) => {
    const officer = makeToken(t);
    const readPin = (pin: string) => () => Promise.resolve(Buffer.from(pin));
    const store = await connect(spied(officer, { quirks: { userType: 0 }, readPin: readPin('87654321') }));
    await store.close();
    t.match(spyLog(officer), /userType = CKU_SO/);
    const token = makeToken(t);
    const latch = fileLatch(token.home, 'test');
    // Luna's crypto user.
    const vendor = spied(token, { quirks: { userType: 0x80000001 }, latch });
    await t.rejects(connect(vendor), { code: 'internal', message: /CKR_USER_TYPE_INVALID/ });
    t.match(spyLog(token), /userType = 0x80000001/);
    t.notOk(latch.isSet());
    t.equal(logins(token), 1);
  },
);
