import t from 'tap';
import { Admission, type Ticket } from '../../../daemon/pipeline/admission/fair-queue.js';
import { Quotas } from '../../../daemon/pipeline/admission/rate-limits.js';
import { operationTable } from '../../../daemon/operations/table.js';
import { ServiceError } from '../../../proto/errors.js';

const rates = { symmetric: 1e6, asymmetric: 1e6, dataKeyPairs: 1e6, reads: 1e6, changes: 1e6 };
const operation = (name: string) => operationTable.get(name)!;
const encrypt = operation('Encrypt');
const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

function admission({
  executing = 4,
  executingBesideOthers = 1_000,
  inFlightPerPrincipal = 10_000,
  quotas = {},
}) {
  return new Admission(new Quotas({ ...rates, ...quotas }, operationTable.values()), {
    executing,
    executingBesideOthers,
    inFlightPerPrincipal,
  });
}

void t.test('a quota applies to each principal and family, and says when to retry', async (t) => {
  const gate = admission({ executing: 1_000, quotas: { symmetric: 20, reads: 5 } });
  const enter = (id: string, name: string) => gate.leave(gate.enter(id, operation(name)));
  for (let index = 0; index < 10; index++) {
    enter('greedy', 'Encrypt');
    enter('greedy', 'GenerateMac');
  }
  let error: unknown;
  try {
    enter('greedy', 'Decrypt');
  } catch (thrown) {
    error = thrown;
  }
  t.ok(error instanceof ServiceError);
  const { code, retryAfter = 0, message } = error as ServiceError;
  t.equal(code, 'ThrottlingException');
  t.match(message, /^You have exceeded the rate at which you may call KMS: 20 requests a second/);
  t.ok(retryAfter > 0 && retryAfter <= 50, `${retryAfter}`);
  enter('greedy', 'Sign');
  enter('polite', 'Encrypt');
  for (let index = 0; index < 5; index++) {
    enter('greedy', 'DescribeKey');
    enter('greedy', 'ListKeys');
  }
  t.throws(() => enter('greedy', 'ListKeys'), { code: 'ThrottlingException' });
  await pause(retryAfter + 1);
  enter('greedy', 'Encrypt');
});

void t.test('a principal with few requests is served soon, however many another sends', async (t) => {
  const gate = admission({ executing: 4, executingBesideOthers: 4 });
  const begun: string[] = [];
  const active: Ticket[] = [];
  const enter = (id: string) => {
    const ticket = gate.enter(id, encrypt);
    const begin = () => {
      begun.push(id);
      active.push(ticket);
    };
    if (ticket.turn) void ticket.turn.then(begin);
    else begin();
  };
  for (let index = 0; index < 1_000; index++) enter('greedy');
  for (let index = 0; index < 3; index++) enter('polite');
  enter('other');
  t.equal(active.length, 4);
  for (let index = 0; index < 8; index++) {
    gate.leave(active.shift()!);
    await Promise.resolve();
  }
  t.same(begun.slice(4), ['greedy', 'polite', 'other', 'greedy', 'polite', 'greedy', 'polite', 'greedy']);
  while (active.length > 0) {
    t.ok(active.length <= 4);
    gate.leave(active.shift()!);
    await Promise.resolve();
  }
  t.equal(begun.length, 1_004, 'all of them are executed');
});

void t.test('a principal has its share while others are active, and all slots when alone', async (t) => {
  const gate = admission({ executing: 8, executingBesideOthers: 2 });
  const active: Ticket[] = [];
  let begun = 0;
  const enter = (id: string) => {
    const ticket = gate.enter(id, encrypt);
    const begin = () => {
      active.push(ticket);
      begun += 1;
    };
    if (ticket.turn) void ticket.turn.then(begin);
    else begin();
  };
  for (let index = 0; index < 20; index++) enter('greedy');
  t.equal(active.length, 8, 'alone');
  enter('polite');
  t.equal(active.length, 8, 'no more places');
  for (let index = 0; index < 7; index++) {
    gate.leave(active.shift()!);
    await Promise.resolve();
  }
  t.same(
    active.map(({ principal }) => principal === active[0]!.principal),
    [true, false, true],
    'the other one, and no more than the share of the greedy one',
  );
  while (active.length > 0) {
    gate.leave(active.shift()!);
    await Promise.resolve();
  }
  t.equal(begun, 21, 'all of them are executed');
  await pause(2_100);
  for (let index = 0; index < 20; index++) enter('greedy');
  t.equal(active.length, 8, 'alone again');
});

void t.test('hanging requests delay nobody for long', async (t) => {
  const gate = admission({ executing: 2 });
  const hung = Array.from({ length: 50 }, () => gate.enter('greedy', encrypt));
  const waiting = gate.enter('polite', encrypt);
  // Nothing else keeps the process alive until its turn; without a turn the test's time-out ends the wait.
  const alive = setInterval(() => undefined, 1_000);
  await waiting.turn;
  clearInterval(alive);
  gate.leave(waiting);
  for (const ticket of hung) {
    await ticket.turn;
    gate.leave(ticket);
  }
  const all = [gate.enter('polite', encrypt), gate.enter('polite', encrypt), gate.enter('polite', encrypt)];
  t.same(
    all.map(({ turn }) => turn === undefined),
    [true, true, false],
    'the places are there again, and no more',
  );
  for (const ticket of all) {
    await ticket.turn;
    gate.leave(ticket);
  }
});

void t.test('the requests in flight of a principal are limited', (t) => {
  const gate = admission({ executing: 2, inFlightPerPrincipal: 3 });
  const tickets = Array.from({ length: 3 }, () => gate.enter('greedy', encrypt));
  t.throws(() => gate.enter('greedy', encrypt), { code: 'ThrottlingException', retryAfter: 50 });
  t.ok(gate.enter('polite', encrypt));
  gate.leave(tickets[0]!);
  t.ok(gate.enter('greedy', encrypt));
  t.end();
});
