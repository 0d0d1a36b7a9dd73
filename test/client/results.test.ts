// Conveniences of the client: requests without arguments, request IDs, paginators.
import t from 'tap';
import { exceptions } from '../../client/index.js';
import { operationShapes } from '../../proto/schema/descriptor.js';
import { startClient, startPeer } from './peer.js';

void t.test('a request in which nothing is required can be left out', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  t.same(await client.listKeys(), { keys: [] });
  await client.generateRandom(undefined, { timeout: 5_000 });
  t.same(
    peer.received.map(({ operation, message, deadline }) => [operation?.name, { ...message }, deadline]),
    [
      ['ListKeys', {}, 30_000],
      ['GenerateRandom', {}, 5_000],
    ],
  );
});

void t.test('results and errors have the ID of their request', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  peer.onRequest = ({ answer }) => answer({ keyId: 'a' }, 'request-1');
  const result = await client.cancelKeyDeletion({ keyId: 'a' });
  t.equal(result.requestId, 'request-1');
  t.strictSame({ ...result }, { keyId: 'a' }, 'the request ID is not enumerable');
  t.equal(
    (await client.enableKey({ keyId: 'a' })).requestId,
    'request-1',
    'an empty response has a request ID too',
  );
  peer.onRequest = ({ refuse }) => refuse(new exceptions.NotFoundException('no', { requestId: 'r-2' }));
  await t.rejects(client.describeKey({ keyId: 'a' }), { code: 'NotFoundException' });
});

void t.test('a paginator yields every item and requests pages when they are needed', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  const pages: Record<string, object> = {
    '': { keys: [{ keyId: 'a' }, { keyId: 'b' }], truncated: true, nextMarker: 'second' },
    second: { keys: [], truncated: true, nextMarker: 'third' },
    third: { keys: [{ keyId: 'c' }], truncated: false },
  };
  peer.onRequest = ({ answer, message }) => answer({ ...pages[(message.marker as string) ?? ''] });
  const ids: string[] = [];
  for await (const { keyId } of client.paginateListKeys({ limit: 2 })) ids.push(keyId);
  t.strictSame(ids, ['a', 'b', 'c']);
  t.strictSame(
    peer.received.map(({ message }) => ({ ...message })),
    [{ limit: 2 }, { limit: 2, marker: 'second' }, { limit: 2, marker: 'third' }],
  );

  for await (const { keyId } of client.paginateListKeys()) {
    t.equal(keyId, 'a');
    break;
  }
  t.equal(peer.received.length, 4, 'a page that nobody needs is not requested');

  peer.onRequest = ({ refuse }) => refuse(new exceptions.AccessDeniedException('no'));
  await t.rejects(client.paginateListKeys().next(), { code: 'AccessDeniedException' });
  const signal = AbortSignal.abort(new Error('enough'));
  await t.rejects(client.paginateListKeys({}, { signal }).next(), { message: 'enough' });
});

void t.test('there is a paginator for each operation that has pages', async (t) => {
  const peer = await startPeer(t);
  const client = (await startClient(t, peer)) as unknown as Record<string, unknown>;
  for (const { name, request } of operationShapes)
    t.equal(typeof client[`paginate${name}`] === 'function', request.byName.has('marker'), name);
  t.type(client.paginateListGrants, 'function');
});

void t.test('await using closes a client', async (t) => {
  const peer = await startPeer(t);
  const client = await startClient(t, peer);
  await client[Symbol.asyncDispose]();
  await t.rejects(client.listKeys(), { code: 'Closed' });
});
