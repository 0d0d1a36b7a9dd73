// Sealing and opening bytes in memory: the format is that of sealed files.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { open, openBytes, sealBytes } from '../../../client/index.js';
import { chunksOf, collect, softwareKey } from './software-key.js';

const dataKeys = softwareKey();
const keyId = 'alias/files';
const encryptionContext = { project: 'example' };

void t.test('bytes of any length come back unchanged', async (t) => {
  for (const length of [0, 1, 65_536, 200_000]) {
    const bytes = new Uint8Array(randomBytes(length));
    const before = Buffer.from(bytes);
    const sealed = await sealBytes(bytes, { dataKeys, keyId, encryptionContext });
    // A few bytes can be in anything by chance.
    t.notOk(length >= 16 && sealed.includes(before));
    t.ok((await openBytes(sealed, { dataKeys, encryptionContext })).equals(before), `${length} bytes`);
    t.ok(before.equals(bytes), 'the given bytes are not changed');
    t.ok(
      (await collect(open(chunksOf(sealed), { dataKeys }))).equals(before),
      'they can be opened as a stream too',
    );
  }
});

void t.test('bytes that were changed, truncated or sealed otherwise are refused', async (t) => {
  const sealed = await sealBytes(randomBytes(200_000), { dataKeys, keyId, encryptionContext });
  const changed = Buffer.from(sealed);
  changed.writeUInt8(changed.at(-20)! ^ 1, changed.length - 20);
  await t.rejects(openBytes(changed, { dataKeys }), { code: 'InvalidSealedFile' });
  await t.rejects(openBytes(sealed.subarray(0, 131_500), { dataKeys }), { code: 'InvalidSealedFile' });
  await t.rejects(openBytes(Buffer.from('nothing'), { dataKeys }), { code: 'NotASealedFile' });
  const other = { project: 'another' };
  await t.rejects(openBytes(sealed, { dataKeys, encryptionContext: other }), {
    code: 'EncryptionContextMismatch',
  });
  await t.rejects(sealBytes(Buffer.from('x'), { dataKeys, keyId, signal: AbortSignal.abort() }), {
    name: 'AbortError',
  });
});
