import { setTimeout as sleep } from 'node:timers/promises';
import { ObjectClass } from 'graphene-pk11';
import t from 'tap';
import { connect } from '../../daemon/hsm/pool/connect.js';
import { lives } from '../support/processes.js';
import { connectTo, makeToken, newKey, openSession, pids, until } from './token.js';

const label = 'keyhold/internal/anchor/1234abcd-12ab-34cd-56ef-1234567890ab';
const other = label.replace('1234', '5678');
const texts = (contents: readonly Buffer[]) => contents.map(String);

void t.test('a data object is private, replaced whole, and found by the next connection', async (t) => {
  const token = makeToken(t);
  const { store } = await connectTo(t, token, { workers: 2 });
  t.same(await store.readData(label), []);
  for (let count = 0; count < 20; count++) await store.replaceData(label, Buffer.from(`content ${count}`));
  await store.replaceData(other, Buffer.from('theirs'));
  const id = await newKey(store);
  await store.encrypt({ suite: 1, id }, Buffer.alloc(0), Buffer.from('x'));

  const next = await connect(token.config());
  t.teardown(() => next.close());
  t.same(texts(await next.readData(label)), ['content 19']);
  t.same(texts(await next.readData(other)), ['theirs']);
  t.same(
    next.objects
      .filter(({ class: objectClass }) => objectClass === (ObjectClass.DATA as number))
      .map((one) => one.label)
      .sort(),
    [label, other],
  );
  const { session } = openSession(t, token);
  const [object, ...more] = session.find({ label });
  t.equal(more.length, 0);
  t.equal(object!.getAttribute('private'), true);
  session.logout();
  t.equal(session.find({ label }).length, 0, 'a session without a login does not see it');
});

void t.test('workers killed while replacing it leave at least one, and the next write one', async (t) => {
  const token = makeToken(t);
  const { store, events } = await connectTo(t, token, { workers: 2 });
  await until(() => pids(events).length === 2);
  let count = 0;
  let acknowledged = 0;
  for (let round = 0; round < 6; round++) {
    let isStruck = false;
    const writing = (async () => {
      while (!isStruck) {
        const number = ++count;
        await store.replaceData(label, Buffer.from(String(number))).then(
          () => (acknowledged = number),
          () => sleep(20),
        );
      }
    })();
    await sleep(Math.random() * 120);
    const known = pids(events).length;
    process.kill(
      pids(events)
        .filter(lives)
        .at(-1 - (round % 2))!,
      'SIGKILL',
    );
    await until(() => pids(events).length > known);
    isStruck = true;
    await writing;
    const seen = await connect(token.config());
    const numbers = texts(await seen.readData(label)).map(Number);
    t.ok(Math.max(...numbers) >= acknowledged, `round ${round}: ${acknowledged} is among ${numbers.join()}`);
    await seen.close();
  }
  t.ok(acknowledged > 0);
  await store.replaceData(label, Buffer.from('last'));
  const seen = await connect(token.config());
  t.teardown(() => seen.close());
  t.same(texts(await seen.readData(label)), ['last']);
});
