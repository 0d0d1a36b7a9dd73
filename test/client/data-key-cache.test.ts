import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { DataKeyCache, type DataKeySource, type StringMap } from '../../client/index.js';

const limits = { maxAge: 60_000, maxMessages: 100, maxBytes: 1_000_000, capacity: 10 };
const request = { keyId: 'alias/a', keySpec: 'AES_256', encryptionContext: { a: '1', b: '2' } } as const;

/** A source of data keys that remembers those it returned. */
function source() {
  const generated: Buffer[] = [];
  const decrypted: Uint8Array[] = [];
  const dataKeys: DataKeySource = {
    generateDataKey: async ({ keyId }) => {
      await Promise.resolve();
      const plaintext = randomBytes(32);
      generated.push(Buffer.from(plaintext));
      return { plaintext, ciphertextBlob: Buffer.from(`blob ${generated.length}`), keyId };
    },
    decrypt: async ({ ciphertextBlob }) => {
      await Promise.resolve();
      decrypted.push(ciphertextBlob);
      return { plaintext: Buffer.from(`key of ${Buffer.from(ciphertextBlob).toString()}`) };
    },
  };
  return { dataKeys, generated, decrypted };
}

function cacheOf(t: { teardown: (handler: () => void) => void }, dataKeys: DataKeySource, more = {}) {
  const cache = new DataKeyCache(dataKeys, { ...limits, ...more });
  t.teardown(() => {
    cache.close();
  });
  return cache;
}

void t.test('no data key encrypts more messages or bytes than the limits allow', async (t) => {
  const maxMessages = fc.integer({ min: 1, max: 5 });
  const sizes = fc.array(fc.array(fc.nat({ max: 120 }), { maxLength: 5 }), { maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(maxMessages, sizes, async (maxMessages, bursts) => {
      const cache = new DataKeyCache(source().dataKeys, { ...limits, maxMessages, maxBytes: 100 });
      const used = new Map<string, number[]>();
      for (const burst of bursts)
        await Promise.all(
          burst.map(async (bytes) => {
            const { ciphertextBlob } = await cache.generateDataKey(request, { bytes });
            const blob = Buffer.from(ciphertextBlob ?? []).toString();
            used.set(blob, [...(used.get(blob) ?? []), bytes]);
          }),
        );
      cache.close();
      return [...used.values()].every(
        (uses) =>
          uses.length === 1 ||
          (uses.length <= maxMessages && uses.reduce((sum, bytes) => sum + bytes) <= 100),
      );
    }),
    { numRuns: 300 },
  );
  t.pass();
});

void t.test('the limits are reached exactly', async (t) => {
  const { dataKeys, generated } = source();
  const byMessages = cacheOf(t, dataKeys, { maxMessages: 3 });
  for (let message = 1; message <= 7; message++) {
    await byMessages.generateDataKey(request, { bytes: 1 });
    t.equal(generated.length, Math.ceil(message / 3), `message ${message}`);
  }
  generated.length = 0;
  const byBytes = cacheOf(t, dataKeys, { maxBytes: 30 });
  for (let message = 1; message <= 7; message++) {
    await byBytes.generateDataKey(request, { bytes: 10 });
    t.equal(generated.length, Math.ceil(message / 3), `${message * 10} bytes`);
  }
});

void t.test('a message of unknown length, or larger than the limit, gets its own data key', async (t) => {
  const { dataKeys, generated } = source();
  const cache = cacheOf(t, dataKeys, { maxBytes: 30 });
  await cache.generateDataKey(request, { bytes: 1 });
  for (const options of [undefined, {}, { bytes: 31 }]) await cache.generateDataKey(request, options);
  t.equal(generated.length, 4);
  await cache.generateDataKey(request, { bytes: 1 });
  t.equal(generated.length, 4, 'it does not displace the shared data key');
});

void t.test('data keys are shared only for the same key, context and use', async (t) => {
  const { dataKeys, generated, decrypted } = source();
  const cache = cacheOf(t, dataKeys);
  const bytes = 1;
  await cache.generateDataKey(request, { bytes });
  await cache.generateDataKey({ ...request, encryptionContext: { b: '2', a: '1' } }, { bytes });
  t.equal(generated.length, 1, 'the order of the pairs of a context does not matter');
  const others: StringMap[] = [{}, { a: '1' }, { a: '1b', '': '2' }, { a1: '', b2: '' }];
  for (const encryptionContext of others)
    await cache.generateDataKey({ ...request, encryptionContext }, { bytes });
  await cache.generateDataKey({ ...request, keyId: 'alias/b' }, { bytes });
  t.equal(generated.length, 6);

  const ciphertextBlob = Buffer.from('x');
  const decrypt = { ciphertextBlob, encryptionContext: { a: '1' } };
  const { plaintext } = await cache.decrypt(decrypt);
  t.strictSame((await cache.decrypt(decrypt)).plaintext, Uint8Array.from(plaintext ?? []));
  t.equal(decrypted.length, 1);
  await cache.decrypt({ ...decrypt, encryptionContext: {} });
  await cache.decrypt({ ...decrypt, keyId: 'alias/a' });
  await cache.decrypt({ ...decrypt, ciphertextBlob: Buffer.from('y') });
  t.equal(decrypted.length, 4);
});

void t.test('a caller may wipe the data key that it gets', async (t) => {
  const { dataKeys, generated } = source();
  const cache = cacheOf(t, dataKeys);
  for (let use = 0; use < 3; use++) {
    const { plaintext, ciphertextBlob } = await cache.generateDataKey(request, { bytes: 1 });
    t.strictSame(Buffer.from(plaintext ?? []), generated[0], `use ${use}`);
    plaintext?.fill(0);
    ciphertextBlob?.fill(0);
  }
});

void t.test('a data key is not used beyond its maximum age', async (t) => {
  const { dataKeys, generated, decrypted } = source();
  const cache = cacheOf(t, dataKeys, { maxAge: 60 });
  const decrypt = { ciphertextBlob: Buffer.from('x'), encryptionContext: {} };
  const ask = async () => {
    await cache.generateDataKey(request, { bytes: 1 });
    await cache.decrypt(decrypt);
  };
  await ask();
  await ask();
  t.equal(generated.length + decrypted.length, 2);
  await setTimeout(70);
  await ask();
  t.equal(generated.length + decrypted.length, 4);
});

void t.test('beyond the capacity the least recently used key is dropped', async (t) => {
  const { dataKeys, decrypted } = source();
  const cache = cacheOf(t, dataKeys, { capacity: 2 });
  const ask = (blob: string) => cache.decrypt({ ciphertextBlob: Buffer.from(blob), encryptionContext: {} });
  for (const blob of ['a', 'b', 'a', 'c', 'a', 'b']) await ask(blob);
  t.strictSame(
    decrypted.map((blob) => Buffer.from(blob).toString()),
    ['a', 'b', 'c', 'b'],
  );
});

void t.test('a closed cache keeps nothing', async (t) => {
  const { dataKeys, generated } = source();
  const cache = cacheOf(t, dataKeys);
  const begun = cache.generateDataKey(request, { bytes: 1 });
  cache.close();
  await begun;
  await cache.generateDataKey(request, { bytes: 1 });
  t.equal(generated.length, 2);
});

void t.test('a failure is not cached', async (t) => {
  const { dataKeys } = source();
  let failures = 0;
  const failing = { ...dataKeys, decrypt: () => Promise.reject(new Error(`failure ${++failures}`)) };
  const cache = cacheOf(t, failing);
  const decrypt = { ciphertextBlob: Buffer.from('x'), encryptionContext: {} };
  await t.rejects(cache.decrypt(decrypt), { message: 'failure 1' });
  await t.rejects(cache.decrypt(decrypt), { message: 'failure 2' });
});

void t.test('a limit that is not a positive number is refused', (t) => {
  for (const value of [0, -1, NaN])
    for (const name of Object.keys(limits))
      t.throws(() => new DataKeyCache(source().dataKeys, { ...limits, [name]: value }), RangeError, name);
  t.end();
});
