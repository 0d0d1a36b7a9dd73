// The fault module itself, through graphene-pk11 and through workers.
import { join } from 'node:path';
import { Module, ObjectClass, type Session, SessionFlag } from 'graphene-pk11';
import pkcs11 from 'pkcs11js';
import t from 'tap';
import { LIBRARY, connectTo, makeToken, newKey, pids, until } from '../hsm/token.js';
import { Faults, buildModule } from './faults.js';

const token = makeToken(t);
const faults = new Faults(join(token.home, 'faults'));
t.teardown(() => faults.close());
Object.assign(process.env, token.env, faults.env(LIBRARY));

const module = Module.load(buildModule());
module.initialize();
t.teardown(() => module.finalize());
const slot = module.getSlots(0);
const open = () => slot.open(SessionFlag.SERIAL_SESSION | SessionFlag.RW_SESSION);
const random = (session: Session) => session.generateRandom(8);

void t.test('a rule affects the calls that it names, within its counts', (t) => {
  const session = open();
  const rule = faults.add('C_GenerateRandom', 'fail', {
    argument: pkcs11.CKR_DEVICE_ERROR,
    after: 1,
    times: 2,
  });
  t.equal(random(session).length, 8);
  for (let n = 0; n < 2; n++) t.throws(() => random(session), /CKR_DEVICE_ERROR/);
  t.equal(random(session).length, 8);
  t.equal(rule.fired, 2);
  rule.clear();
  t.equal(rule.fired, 2, 'a cleared rule keeps its count');
  const any = faults.add('*', 'fail', { argument: pkcs11.CKR_DEVICE_REMOVED });
  t.throws(() => slot.getToken(), /CKR_DEVICE_REMOVED/);
  t.throws(() => random(session), /CKR_DEVICE_REMOVED/);
  any.clear();
  t.equal(random(session).length, 8);
  session.close();
  t.end();
});

void t.test('a lost answer belongs to a call that was executed', (t) => {
  const session = open();
  const data = { class: ObjectClass.DATA, private: false, label: 'data' };
  const objects = () => session.find({ label: 'data' }).length;
  const failing = faults.add('C_CreateObject', 'fail', { argument: pkcs11.CKR_GENERAL_ERROR });
  t.throws(() => session.create(data), /CKR_GENERAL_ERROR/);
  failing.clear();
  t.equal(objects(), 0);
  const losing = faults.add('C_CreateObject', 'lose', { argument: pkcs11.CKR_GENERAL_ERROR });
  t.throws(() => session.create(data), /CKR_GENERAL_ERROR/);
  losing.clear();
  t.equal(objects(), 1);
  session.close();
  t.end();
});

void t.test('a rule or a reset ends sessions, and their number is limited', (t) => {
  for (const end of [
    () => faults.add('C_GenerateRandom', 'closeSessions', { times: 1 }),
    () => faults.reset(),
  ]) {
    const session = open();
    end();
    t.throws(() => random(session), /CKR_SESSION_HANDLE_INVALID/);
  }
  faults.limitSessions(1);
  const session = open();
  t.throws(open, /CKR_SESSION_COUNT/);
  session.close();
  open().close();
  faults.limitSessions(0);
  faults.clear();
  t.end();
});

void t.test('workers are delayed, hang and crash', async (t) => {
  const { store, events } = await connectTo(t, token, {
    library: buildModule(),
    env: { ...token.env, ...faults.env(LIBRARY) },
    deadlines: { random: 400 },
  });
  await newKey(store);
  const delay = faults.add('C_GenerateRandom', 'delay', { argument: 100, times: 1 });
  const began = performance.now();
  await store.random(8);
  t.ok(performance.now() - began >= 100);
  t.equal(delay.fired, 1);

  const crash = faults.add('C_GenerateRandom', 'crash', { times: 1 });
  t.equal((await store.random(8)).length, 8, 'another worker answers the request');
  t.equal(crash.fired, 1);
  t.match(
    events.find(({ type }) => type === 'worker-lost'),
    { reason: /SIGSEGV/ },
  );

  const hang = faults.add('C_GenerateRandom', 'hang', { times: 1 });
  const answer = store.random(8);
  await until(() => hang.fired === 1);
  hang.clear();
  t.equal((await answer).length, 8, 'a call that hung continues once the rule is cleared');
  t.ok(pids(events).length >= 2);
});
