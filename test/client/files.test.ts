import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openFile, sealFile } from '../../client/index.js';
import { softwareKey } from './seal/software-key.js';
import { type Peer, startClient, startPeer } from './peer.js';

/** Makes the peer answer requests for data keys over the protocol. */
function serveDataKeys(peer: Peer): void {
  const dataKeys = softwareKey();
  peer.onRequest = ({ operation, message, answer }) => {
    const method = operation?.field as keyof typeof dataKeys;
    const methods = dataKeys as unknown as Record<
      string,
      (message: object) => Promise<Record<string, unknown>>
    >;
    // An empty context is absent on the wire.
    void methods[method]?.({ encryptionContext: {}, ...message }).then(answer);
  };
}

void t.test('files are sealed and opened through a client', async (t) => {
  const peer = await startPeer(t);
  serveDataKeys(peer);
  const client = await startClient(t, peer);
  const path = (name: string) => join(folder, name);
  const content = randomBytes(200_000);
  const folder = t.testdir({});
  writeFileSync(path('in'), content);
  const options = {
    dataKeys: client.dataKeys,
    keyId: 'alias/files',
    encryptionContext: { ['__proto__']: 'x' },
  };
  for (const name of ['a', 'b']) {
    await sealFile(path('in'), path(`${name}.sealed`), options);
    await openFile(path(`${name}.sealed`), path(name), options);
    t.ok(readFileSync(path(name)).equals(content));
  }
  const names = peer.received.map(({ operation }) => operation?.name);
  t.strictSame(names, ['GenerateDataKey', 'Decrypt', 'GenerateDataKey', 'Decrypt']);
  t.match(peer.received[0]?.message, { keyId: 'alias/files', keySpec: 'AES_256' });
});

void t.test('with a cache, many files take one data key from the daemon', async (t) => {
  const peer = await startPeer(t);
  serveDataKeys(peer);
  const dataKeyCache = { maxAge: 60_000, maxMessages: 100, maxBytes: 1e9, capacity: 10 };
  const client = await startClient(t, peer, { dataKeyCache });
  const folder = t.testdir({ in: 'content' });
  const path = (name: string) => join(folder, name);
  const options = { dataKeys: client.dataKeys, keyId: 'alias/files' };
  for (let file = 0; file < 10; file++) {
    await sealFile(path('in'), path(`${file}.sealed`), options);
    await openFile(path(`${file}.sealed`), path(`${file}.out`), options);
    t.equal(readFileSync(path(`${file}.out`), 'utf8'), 'content');
  }
  const names = peer.received.map(({ operation }) => operation?.name);
  t.strictSame(names, ['GenerateDataKey', 'Decrypt']);
});

void t.test('a process ends by itself once its client is closed', async (t) => {
  const peer = await startPeer(t);
  const program = `
    import { connect } from ${JSON.stringify(new URL('../../client/index.js', import.meta.url).href)};
    const limits = { maxAge: 3_600_000, maxMessages: 100, maxBytes: 1e9, capacity: 10 };
    const client = await connect({ dataKeyCache: limits });
    await client.listKeys({});
    await client.close();
    console.log('closed');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { KEYHOLD_URL: peer.url, AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'secret' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // A timer of the cache must not keep the process alive: it runs for an hour.
  t.strictSame(await once(child, 'exit'), [0, null]);
});
