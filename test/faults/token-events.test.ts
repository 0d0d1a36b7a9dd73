// Events of tokens and sessions: removed and returned, reset, logged out, changed PIN, deleted objects, full, few sessions.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pkcs11 from 'pkcs11js';
import t, { type Test } from 'tap';
import type { KeyStoreConfig } from '../../daemon/hsm/pool/config.js';
import { connect } from '../../daemon/hsm/pool/connect.js';
import { fileLatch } from '../../daemon/hsm/pool/latch.js';
import { importTarget, wrappingKeyTemplate, wrappingOf } from '../../daemon/keys/import/wrapping.js';
import { keySpecs } from '../../daemon/keys/specs/table.js';
import { AES_256, LIBRARY, PIN, connectTo, makeToken, newKey, pids, until } from '../hsm/token.js';
import { newMaterial, wrap } from '../support/wrapping.js';
import { childrenOf, lives } from '../support/processes.js';
import { Faults, buildModule } from './faults.js';

const aad = Buffer.from('context');

async function scene(t: Test, changes: Partial<KeyStoreConfig> = {}, sessions = 0) {
  const token = makeToken(t);
  const faults = new Faults(join(token.home, 'faults'));
  t.teardown(() => faults.close());
  faults.limitSessions(sessions);
  const env = { ...token.env, ...faults.env(LIBRARY) };
  const connected = await connectTo(t, token, { library: buildModule(), env, workers: 2, ...changes });
  t.teardown(() => faults.clear());
  const { store, events } = connected;
  const id = await newKey(store);
  const key = { suite: 1, id } as const;
  const encrypt = () => store.encrypt(key, aad, aad);
  const message = await encrypt();
  const decrypts = async () => (await store.decrypt(key, aad, message)).equals(aad);
  const living = () => pids(events).filter(lives);
  return { token, faults, store, events, key, encrypt, decrypts, living };
}

void t.test('a token that is unplugged for a while: refusals meanwhile, recovery afterwards', async (t) => {
  const { faults, store, events, encrypt, decrypts, living } = await scene(t, { maxWait: 300 });
  await until(() => living().length === 2);
  faults.add('*', 'fail', { argument: pkcs11.CKR_DEVICE_REMOVED });
  await t.rejects(encrypt(), { code: 'unavailable' });
  await until(() => store.state === 'disconnected');
  await t.rejects(encrypt(), { code: 'unavailable' });
  // As long as the longest pause between two starts.
  await until(() => events.filter(({ type }) => type === 'start-failed').length >= 6);
  for (const event of events)
    if (event.type === 'start-failed') t.ok(event.retryIn <= 1_000, 'a start is retried within a second');
  faults.reset();
  faults.clear();
  const back = performance.now();
  await until(() => living().length === 2 && store.state === 'connected');
  t.comment(`whole ${Math.round(performance.now() - back)} ms after it was back`);
  t.ok(await decrypts());
});

void t.test('a reset of the device, and a lost login, cost only the workers that they affect', async (t) => {
  const { faults, events, encrypt, decrypts, living } = await scene(t);
  await until(() => living().length === 2);
  for (const strike of [
    () => faults.reset(),
    () => void faults.add('C_EncryptInit', 'logout', { times: 1 }),
  ]) {
    const before = living();
    strike();
    const answers = await Promise.allSettled(Array.from({ length: 50 }, encrypt));
    for (const answer of answers)
      if (answer.status === 'rejected') t.match(answer.reason, { code: 'unavailable' });
    await until(() => living().length === 2 && living().some((pid) => !before.includes(pid)));
    t.ok(await decrypts());
    faults.clear();
  }
  t.notOk(events.some(({ type }) => type === 'login-refused'));
});

void t.test('a pair is found whole or not at all, even if the login is lost during the search', async (t) => {
  const { faults, store, decrypts, living } = await scene(t);
  await until(() => living().length === 2);
  const { template, signing } = keySpecs.ECC_NIST_P256.usages.SIGN_VERIFY!;
  const { mechanism, conversion } = signing!.ECDSA_SHA_256!;
  const sign = (id: Buffer) => store.sign(id, mechanism, conversion, Buffer.alloc(32));
  const id = await newKey(store, template);
  // Handles of private objects are then stale, and a search finds only the public key.
  for (const name of ['C_SignInit', 'C_FindObjectsInit', 'C_FindObjects']) {
    const lost = faults.add(name, 'logout', { times: 1 });
    if (name !== 'C_SignInit') await store.exists(id).catch(() => undefined);
    for (const answer of await Promise.allSettled(Array.from({ length: 20 }, () => sign(id))))
      if (answer.status === 'rejected') t.match(answer.reason, { code: 'unavailable' }, name);
    t.equal(lost.fired, 1);
    lost.clear();
    await until(() => living().length === 2);
    t.ok(await sign(id));
  }
  for (const [index, name] of ['C_FindObjectsInit', 'C_FindObjectsFinal', 'C_DestroyObject'].entries()) {
    const doomed = await newKey(store, template);
    const lost = faults.add(name, 'logout', { times: 1, after: index % 2 });
    await store.destroy(doomed).catch((error: unknown) => t.match(error, { code: 'unavailable' }, name));
    lost.clear();
    await until(() => living().length === 2);
    await store.destroy(doomed);
    t.strictSame(
      await store.inspect([[pkcs11.CKA_ID, doomed.toString('hex')]], [pkcs11.CKA_CLASS]),
      [],
      `${name}: neither half is left`,
    );
  }
  t.ok(await decrypts());
});

void t.test('a changed PIN is tried once, and workers that are logged in continue', async (t) => {
  const { token, faults, store, events, decrypts, living } = await scene(t);
  await until(() => living().length === 2);
  const pins = ['--pin', PIN, '--new-pin', 'another-pin'];
  execFileSync(
    'pkcs11-tool',
    ['--module', LIBRARY, '--token-label', token.label, '--login', '--change-pin', ...pins],
    {
      env: { ...process.env, ...token.env },
      stdio: 'ignore',
    },
  );
  const logins = faults.add('C_Login', 'count');
  process.kill(living()[0]!, 'SIGKILL');
  await until(() => events.some(({ type }) => type === 'login-refused'));
  await new Promise((done) => setTimeout(done, 1_500));
  t.equal(logins.fired, 1);
  t.ok(fileLatch(token.home, 'test').isSet());
  t.equal(store.state, 'connected');
  t.ok(await decrypts());
});

void t.test('a refused PIN is tried once even if the refusal cannot be stored', async (t) => {
  const { token, faults, store, events, living } = await scene(t, { workers: 1, readPin: wrongLater() });
  // A file in place of the folder acts like a read-only disk.
  writeFileSync(join(token.home, 'latch'), '');
  const logins = faults.add('C_Login', 'count');
  process.kill(living()[0]!, 'SIGKILL');
  await until(() => events.some(({ type }) => type === 'login-refused'));
  await new Promise((done) => setTimeout(done, 1_500));
  t.equal(logins.fired, 1);
  t.equal(store.state, 'login-refused');
  rmSync(join(token.home, 'latch'));
  await until(() => fileLatch(token.home, 'test').isSet());
  t.equal(logins.fired, 1);
  fileLatch(token.home, 'test').clear();
  await until(() => store.state === 'connected');
  t.equal(logins.fired, 2);
});

/** Returns the right PIN first, then a wrong one, then the right one again. */
function wrongLater(): () => Promise<Buffer> {
  const pins = [PIN, 'wrong-pin'];
  return () => Promise.resolve(Buffer.from(pins.shift() ?? PIN));
}

void t.test('the next worker that starts notices an object deleted by another program', async (t) => {
  const { token, store, events, key, encrypt, decrypts, living } = await scene(t, { sessionCopies: 0 });
  await until(() => living().length === 2);
  t.ok(await decrypts());
  const other = await newKey(store);
  const login = ['--module', LIBRARY, '--token-label', token.label, '--login', '--pin', PIN];
  execFileSync(
    'pkcs11-tool',
    [...login, '--delete-object', '--type', 'secrkey', '--id', key.id.toString('hex')],
    {
      env: { ...process.env, ...token.env },
      stdio: 'ignore',
    },
  );
  for (const pid of living()) process.kill(pid, 'SIGKILL');
  await until(() => events.filter(({ type }) => type === 'worker-lost').length === 2);
  await t.rejects(encrypt(), { code: 'no-such-object' });
  t.ok(await store.encrypt({ suite: 1, id: other }, aad, aad));
});

void t.test('a full token creates no keys, and existing keys work', async (t) => {
  const { faults, store, decrypts } = await scene(t);
  for (const name of ['C_GenerateKey', 'C_CopyObject', 'C_CreateObject'])
    faults.add(name, 'fail', { argument: pkcs11.CKR_DEVICE_MEMORY });
  await t.rejects(newKey(store, AES_256), { code: 'token-full' });
  t.ok(await decrypts());
  faults.clear();
  t.ok(await newKey(store));
});

void t.test('an error without a reason is not blamed on a valid ciphertext', async (t) => {
  const { faults, store, decrypts } = await scene(t, { workers: 1 });
  const wrong = () =>
    store.decrypt({ suite: 1, id: key }, aad, { iv: Buffer.alloc(12), ciphertext: Buffer.alloc(40) });
  const key = await newKey(store);
  const argument = pkcs11.CKR_GENERAL_ERROR;
  const once = faults.add('C_Decrypt', 'lose', { argument, times: 1 });
  t.ok(await decrypts(), 'the decryption is repeated');
  t.equal(once.fired, 1);
  const target = importTarget({ keySpec: 'SYMMETRIC_DEFAULT', keyUsage: 'ENCRYPT_DECRYPT' });
  const imported = () => store.importPlaintext(Buffer.alloc(32, 7), randomBytes(16), 'imported', target);
  for (const times of [2, 3, 50]) {
    const decrypting = faults.add('C_Decrypt', 'fail', { argument, times });
    await t.rejects(decrypts(), { code: 'internal' }, `C_Decrypt ${times} times`);
    decrypting.clear();
    const unwrapping = faults.add('C_UnwrapKey', 'fail', { argument, times });
    await t.rejects(imported(), { code: 'internal' }, `C_UnwrapKey ${times} times`);
    unwrapping.clear();
    t.ok(await decrypts());
    t.ok(await imported());
  }
  await t.rejects(wrong(), { code: 'invalid-ciphertext' });
});

void t.test('destroying a key does not wait for a worker that hangs at its start', async (t) => {
  const { faults, store, events, encrypt, living } = await scene(t);
  await until(() => living().length === 2);
  const hanging = faults.add('C_Initialize', 'hang');
  process.kill(living()[1]!, 'SIGKILL');
  await until(() => hanging.fired === 1);
  const id = await newKey(store);
  await store.destroy(id);
  t.notOk(
    events.some(({ type }) => type === 'start-failed'),
    'it is destroyed before the start is given up',
  );
  await encrypt();
});

for (const sessions of [1, 2, 8]) {
  void t.test(`a token with ${sessions} sessions is used with as many workers`, async (t) => {
    const workers = Math.min(sessions + 1, 4);
    const { events, decrypts, encrypt, living } = await scene(t, { workers }, sessions);
    const most = Math.min(sessions, workers);
    const isRefused = () =>
      events.some((event) => event.type === 'start-failed' && event.error.code === 'no-session');
    await until(() => living().length >= most && (sessions >= workers || isRefused()));
    t.equal((await Promise.all(Array.from({ length: 200 }, encrypt))).length, 200);
    // A worker that died is replaced at once, and not by one that waits for a session.
    const [victim] = living();
    process.kill(victim!, 'SIGKILL');
    await until(() => !living().includes(victim!) && living().length === most);
    t.ok(await decrypts());
    const refusals = events.filter((event) => event.type === 'start-failed').length;
    t.ok(refusals <= 3, `${refusals} starts failed`);
  });
}

void t.test('a store whose token has no free session says so', async (t) => {
  const { token, faults } = await scene(t, { workers: 1 }, 1);
  const env = { ...token.env, ...faults.env(LIBRARY) };
  await t.rejects(connect(token.config({ library: buildModule(), env })), {
    code: 'no-session',
    message: /lower the number of workers/,
  });
});

void t.test('waiting work is answered in time, even if workers start and die', async (t) => {
  const { faults, encrypt } = await scene(t, { patience: 600, deadlines: { encrypt: 300 } });
  faults.add('C_Encrypt', 'hang');
  const answers = await Promise.allSettled(Array.from({ length: 300 }, encrypt));
  for (const answer of answers)
    t.match(answer, { status: 'rejected', reason: { code: /^(timeout|unavailable)$/ } });
});

void t.test('workers of a daemon that is killed log out', async (t) => {
  const { token, faults, store } = await scene(t);
  await store.close();
  const env = { ...token.env, ...faults.env(LIBRARY) };
  const program = fileURLToPath(new URL('../hsm/pool/daemon-to-kill.js', import.meta.url));
  const logins = faults.add('C_Login', 'count');
  const logouts = faults.add('C_Logout', 'count');
  const daemon = spawn(process.execPath, [program, buildModule(), token.label, JSON.stringify(env)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  t.teardown(() => daemon.kill('SIGKILL'));
  await until(() => logins.fired === 2);
  // The second one is logged in and reads the token.
  await new Promise((done) => setTimeout(done, 500));
  const workers = childrenOf(daemon.pid!);
  daemon.kill('SIGKILL');
  await until(() => !workers.some(lives));
  t.equal(logouts.fired, 2);
});

void t.test(
  'a login lost during an import: a retryable refusal, never one for an unknown reason',
  async (t) => {
    const { faults, store, living } = await scene(t);
    await until(() => living().length === 2);
    const algorithm = 'RSA_AES_KEY_WRAP_SHA_1';
    for (const [keySpec, keyUsage, importing] of [
      ['SYMMETRIC_DEFAULT', 'ENCRYPT_DECRYPT', ['C_UnwrapKey', 'C_WrapKey', 'C_Encrypt']],
      ['ECC_NIST_P256', 'SIGN_VERIFY', ['C_UnwrapKey', 'C_GetAttributeValue', 'C_CreateObject', 'C_Sign']],
    ] as const) {
      const record = { keySpec, keyUsage } as Parameters<typeof wrappingKeyTemplate>[0];
      const wrappingKey = await newKey(store, wrappingKeyTemplate(record, algorithm, 'RSA_2048'));
      const wrapped = wrap(algorithm, await store.publicKey(wrappingKey), newMaterial(keySpec));
      const importIt = () =>
        store.importWrapped(
          wrappingKey,
          wrappingOf(algorithm),
          wrapped,
          randomBytes(16),
          'imported',
          importTarget(record),
        );
      for (const name of importing) {
        const rule = faults.add(name, 'logout', { times: 1 });
        const [answer] = await Promise.allSettled([importIt()]);
        if (answer.status === 'rejected')
          t.match(answer.reason, { code: 'unavailable' }, `${keySpec}, before ${name}`);
        t.equal(rule.fired, 1);
        rule.clear();
        await until(() => living().length === 2);
        t.ok(await importIt(), 'the next import works');
      }
    }
  },
);
