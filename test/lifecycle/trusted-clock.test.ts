// When deletions may trust the clock. This test moves the wall clock of its own process; the daemon's tests use libfaketime.
import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { TrustedClock } from '../../daemon/lifecycle/trusted-clock.js';
import { LevelStore } from '../../daemon/store/leveldb/leveldb.js';
import { Records } from '../../daemon/store/records/records.js';

const mac = (message: Buffer) => Promise.resolve(createHmac('sha256', 'key').update(message).digest());
const now = Date.now.bind(Date);
const minute = 60_000;
const hour = 60 * minute;

interface Wall {
  /** Steps the wall clock. @param milliseconds positive or negative */
  step(milliseconds: number): void;
}

function wallClock(t: Test): Wall {
  let ahead = 0;
  t.intercept(Date, 'now', { value: () => now() + ahead });
  return { step: (milliseconds) => (ahead += milliseconds) };
}

async function newRecords(t: Test): Promise<Records> {
  const store = await LevelStore.create(t.testdir());
  t.teardown(() => store.close());
  return Records.load(store, 'store-1', mac);
}

void t.test('a first start trusts its clock, and so does one that follows within the hour', async (t) => {
  const wall = wallClock(t);
  const records = await newRecords(t);
  t.equal((await TrustedClock.open(records, 24)).cautionLeft, 0);
  wall.step(59 * minute);
  t.equal((await TrustedClock.open(records, 24)).cautionLeft, 0);
});

void t.test('a gap of over an hour, and a clock that went back meanwhile, require 24 hours', async (t) => {
  for (const gap of [61 * minute, 40 * 24 * hour, -2 * minute]) {
    await t.test(`${gap / minute} minutes`, async (t) => {
      const wall = wallClock(t);
      const records = await newRecords(t);
      await TrustedClock.open(records, 24);
      wall.step(gap);
      const { cautionLeft } = await TrustedClock.open(records, 24);
      t.ok(cautionLeft > 24 * hour - minute && cautionLeft <= 24 * hour);
      t.ok((await TrustedClock.open(records, 24)).cautionLeft > 24 * hour - minute, 'also at the next start');
      t.equal((await TrustedClock.open(records, 0)).cautionLeft, 0, 'unless the setting is 0');
    });
  }
});

void t.test('a step in either direction is noticed, and small ones when they add up', async (t) => {
  for (const [size, steps] of [
    [2 * minute, 1],
    [-2 * minute, 1],
    [25_000, 3],
    [-25_000, 3],
  ] as const) {
    await t.test(`${steps} of ${size / 1000} s`, async (t) => {
      const wall = wallClock(t);
      const clock = await TrustedClock.open(await newRecords(t), 24);
      for (let step = 1; step <= steps; step++) {
        t.equal(clock.cautionLeft, 0);
        wall.step(size);
      }
      t.ok(clock.cautionLeft > 23 * hour);
    });
  }
});

void t.test('only uptime ends the caution, and a step restarts it', async (t) => {
  const wall = wallClock(t);
  const records = await newRecords(t);
  const hours = 0.5 / 3600;
  const clock = await TrustedClock.open(records, hours);
  wall.step(48 * hour);
  t.ok(clock.cautionLeft > 400);
  await sleep(300);
  const left = clock.cautionLeft;
  t.ok(left > 0 && left <= 200);
  wall.step(-48 * hour);
  t.ok(clock.cautionLeft > 400);
  await sleep(300);
  await clock.heartbeat();
  const restarted = await TrustedClock.open(records, hours);
  t.ok(restarted.cautionLeft > 0 && restarted.cautionLeft <= 210, 'uptime before a restart counts');
  await sleep(300);
  t.equal(restarted.cautionLeft, 0);
});
