// Every PKCS#11 function that workers call fails, hangs or crashes under load. With KEYHOLD_FAULTS=all every function has
// all of these faults and more, which takes about 10 minutes.
import { join } from 'node:path';
import pkcs11 from 'pkcs11js';
import t, { type Test } from 'tap';
import type { KeyStoreConfig } from '../../daemon/hsm/pool/config.js';
import type { KeyStoreEvent } from '../../daemon/hsm/key-store-event.js';
import { connect } from '../../daemon/hsm/pool/connect.js';
import { lives } from '../support/processes.js';
import { LIBRARY, connectTo, makeToken, newKey, pids, until, type TestToken } from '../hsm/token.js';
import { type Action, Faults, type Harm, buildModule } from './faults.js';
import { StoreLoad } from './store-load.js';

/** Milliseconds after which a call counts as hanging; every call of the load takes less. */
const deadline = 2_500;
const deadlines = Object.fromEntries(
  [
    ...[
      'refreshHandles',
      'forgetKey',
      'generateKey',
      'generateKeyPair',
      'importPlaintext',
      'destroy',
      'exists',
    ],
    ...['publicKey', 'random', 'encrypt', 'decrypt', 'dataKeyPair', 'sign', 'verify', 'deriveSharedSecret'],
  ].map((kind) => [kind, deadline]),
) as KeyStoreConfig['deadlines'];

/** Functions called by the load. */
const working = [
  ...['C_EncryptInit', 'C_Encrypt', 'C_DecryptInit', 'C_Decrypt', 'C_SignInit', 'C_Sign', 'C_VerifyInit'],
  ...['C_Verify', 'C_DeriveKey', 'C_GenerateRandom', 'C_GetAttributeValue', 'C_GenerateKey', 'C_CopyObject'],
  ...['C_GenerateKeyPair', 'C_DestroyObject', 'C_CreateObject', 'C_UnwrapKey', 'C_WrapKey'],
  ...['C_FindObjectsInit', 'C_FindObjects', 'C_FindObjectsFinal', 'C_GetTokenInfo', 'C_GetSessionInfo'],
];
/** Functions called when a worker starts. */
const starting = ['C_Initialize', 'C_GetSlotList', 'C_GetTokenInfo', 'C_OpenSession', 'C_Login'];
starting.push('C_FindObjectsInit', 'C_FindObjects', 'C_FindObjectsFinal', 'C_GetAttributeValue');
/** Functions called in addition by the first worker when a store is connected. */
const connecting = ['C_GetMechanismList', 'C_GetMechanismInfo'];
/** Functions called when a worker ends. */
const ending = ['C_Logout', 'C_CloseSession', 'C_Finalize'];

const { CKR_DEVICE_ERROR, CKR_GENERAL_ERROR, CKR_HOST_MEMORY } = pkcs11;
type Fault = readonly [name: string, action: Action, harm: Harm];
const few: readonly Fault[] = [
  ['CKR_DEVICE_ERROR', 'fail', { argument: CKR_DEVICE_ERROR, times: 3 }],
  ['a crash', 'crash', { times: 1 }],
  ['a hang', 'hang', { times: 1 }],
];
const more: readonly Fault[] = [
  ['CKR_GENERAL_ERROR', 'fail', { argument: CKR_GENERAL_ERROR, times: 3 }],
  ['CKR_HOST_MEMORY', 'fail', { argument: CKR_HOST_MEMORY, times: 3 }],
  ['an answer that is lost', 'lose', { argument: CKR_DEVICE_ERROR, times: 3 }],
  ['a session that is closed', 'closeSessions', { times: 2 }],
  ['a login that is lost', 'logout', { times: 2 }],
  ['crashes', 'crash', { times: 4 }],
  ['a delay', 'delay', { argument: 300, times: 3 }],
];
const all = process.env.KEYHOLD_FAULTS === 'all';
const faultsOf = (index: number, some = few): readonly Fault[] =>
  all ? [...few, ...more] : [some[index % some.length]!];

function environment(token: TestToken, faults: Faults): Partial<KeyStoreConfig> {
  return { library: buildModule(), env: { ...token.env, ...faults.env(LIBRARY) }, deadlines };
}

function faultsFor(t: Test, token: TestToken): Faults {
  const faults = new Faults(join(token.home, 'faults'));
  t.teardown(() => {
    faults.clear();
    faults.close();
  });
  return faults;
}

const living = (events: readonly KeyStoreEvent[]) => pids(events).filter(lives);

void t.test(
  'a store recovers from a fault of any function under load, and a healthy token is not affected',
  async (t) => {
    const token = makeToken(t);
    const faults = faultsFor(t, token);
    const healthy = await connectTo(t, makeToken(t), { workers: 1 });
    const { store, events } = await connectTo(t, token, { ...environment(token, faults), workers: 2 });
    const isWhole = () => living(events).length === 2;
    await until(isWhole);
    const beside = await StoreLoad.start(healthy.store, 2);
    const load = await StoreLoad.start(store, 8);
    // Also stops the load if an assertion ends the test.
    t.teardown(() => Promise.all([load.stop(), beside.stop()]));
    /** Longest recovery in milliseconds after each kind of fault, and the function that took it. */
    const longest = new Map<string, { milliseconds: number; after: string }>();

    const suffer = async (t: Test, name: string, fault: Fault, trigger: () => void) => {
      const [what, action, harm] = fault;
      const before = load.done;
      const rule = faults.add(name, action, harm);
      trigger();
      await until(() => rule.fired >= 1, 60_000);
      // A hang is over once the hanging worker was killed, other faults once they have happened as often as specified.
      if (action === 'hang') {
        const lost = () =>
          events.filter(({ type }) => type === 'worker-lost' || type === 'start-failed').length;
        const already = lost();
        await until(() => lost() > already, 60_000);
      } else await new Promise((done) => setTimeout(done, 50));
      rule.clear();
      const ended = performance.now();
      const served = load.done;
      await until(() => isWhole() && load.done > served, 60_000);
      const milliseconds = Math.round(performance.now() - ended);
      if (milliseconds > (longest.get(what)?.milliseconds ?? -1))
        longest.set(what, { milliseconds, after: name });
      t.strictSame(await load.check(), [], `${name}, ${what}: every operation works afterwards`);
      t.ok(load.done > before);
      t.strictSame(load.findings.splice(0), [], `${name}, ${what}: no answer is wrong`);
    };

    for (const [index, name] of working.entries())
      for (const fault of faultsOf(index)) await suffer(t, name, fault, () => undefined);
    for (const [index, name] of starting.entries())
      // A hanging start gets 10 s.
      for (const fault of faultsOf(index, few.slice(0, 2)))
        await suffer(t, name, fault, () => process.kill(living(events)[0]!, 'SIGKILL'));
    await Promise.all([load.stop(), beside.stop()]);
    t.strictSame([...beside.answers.keys()], ['ok'], 'the healthy token answered everything');
    for (const [what, { milliseconds, after }] of longest)
      t.comment(`${what}: whole again after ${milliseconds} ms at most (${after})`);
    t.comment(JSON.stringify([...load.answers]));
  },
);

void t.test('connecting to a failing token is refused as unavailable', async (t) => {
  const token = makeToken(t);
  const faults = faultsFor(t, token);
  // Attributes are read only if there are objects.
  const { store } = await connectTo(t, token);
  await newKey(store);
  await store.close();
  for (const name of [...starting, ...connecting]) {
    for (const [what, action, harm] of few.slice(0, 2)) {
      const rule = faults.add(name, action, harm);
      await t.rejects(
        connect(token.config(environment(token, faults))),
        { code: 'unavailable' },
        `${name}, ${what}: connecting is refused`,
      );
      rule.clear();
    }
  }
  const hanging = faults.add('C_Login', 'hang', { times: 1 });
  const patient = { ...environment(token, faults), deadlines: { start: 700 } };
  await t.rejects(connect(token.config(patient)), { code: 'timeout' });
  hanging.clear();
});

void t.test('closing a store leaves no worker, whatever fails meanwhile', async (t) => {
  const token = makeToken(t);
  const faults = faultsFor(t, token);
  for (const name of ending) {
    for (const [what, action, harm] of few) {
      const { store, events } = await connectTo(t, token, environment(token, faults));
      const rule = faults.add(name, action, harm);
      await store.close();
      t.strictSame(living(events), [], `${name}, ${what}: no worker is left`);
      t.equal(rule.fired, 1);
      rule.clear();
    }
  }
});
