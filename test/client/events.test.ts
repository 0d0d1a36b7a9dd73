// Events of a client: connect, disconnect and retry.
import t from 'tap';
import { exceptions } from '../../client/index.js';
import { startClient, startPeer, until } from './peer.js';

void t.test('connections, disconnections and retries are reported', async (t) => {
  const peer = await startPeer(t);
  const events: unknown[] = [];
  const client = await startClient(t, peer, {
    on: { connect: (event) => events.push(['first', event]) },
  });
  t.strictSame(
    events,
    [['first', { url: peer.url }]],
    'a listener in the options learns of the first connection',
  );
  client.on('connect', ({ url }) => events.push(['connect', url]));
  client.on('disconnect', ({ url, error }) => events.push(['disconnect', url, error.message]));
  client.on('retry', ({ operation, attempts, delay, error }) =>
    events.push(['retry', operation, attempts, delay > 0, error.message]),
  );
  events.length = 0;

  let broken = false;
  peer.onRequest = ({ answer }) => {
    if (broken) answer();
    else peer.breakAll();
    broken = true;
  };
  await client.listKeys();
  t.strictSame(events, [
    ['disconnect', peer.url, 'The daemon closed the connection.'],
    ['retry', 'ListKeys', 1, false, 'The daemon closed the connection.'],
    ['first', { url: peer.url }],
    ['connect', peer.url],
  ]);

  events.length = 0;
  let refused = false;
  peer.onRequest = ({ answer, refuse }) => {
    if (refused) answer();
    else refuse(new exceptions.ThrottlingException('later'));
    refused = true;
  };
  await client.enableKey({ keyId: 'a' });
  t.strictSame(events, [['retry', 'EnableKey', 1, true, 'later']]);

  events.length = 0;
  await client.close();
  t.strictSame(events, [], 'close() is not reported as a disconnection');
});

void t.test('a removed listener is not called', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  let heard = 0;
  const listener = () => heard++;
  client.on('disconnect', listener);
  client.off('disconnect', listener);
  peer.breakAll();
  await client.listKeys();
  t.equal(heard, 0);
});

void t.test('an error thrown by a listener is an uncaught exception, and the client continues', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  const uncaught: unknown[] = [];
  const previous = process.rawListeners('uncaughtException') as NodeJS.UncaughtExceptionListener[];
  process.removeAllListeners('uncaughtException');
  process.once('uncaughtException', (error) => uncaught.push(error));
  t.teardown(() => previous.forEach((each) => process.on('uncaughtException', each)));
  client.on('disconnect', () => {
    throw new Error('in the listener');
  });
  peer.breakAll();
  t.same(await client.listKeys(), { keys: [] });
  await until(() => uncaught.length > 0);
  t.match(uncaught, [{ message: 'in the listener' }]);
});
