import { readFileSync } from 'node:fs';
import t from 'tap';
import { z } from 'zod';
import { crypto } from '../../../client/crypto.js';
import type { DataKeySource } from '../../../client/data-keys/data-key-source.js';
import { BlockReader } from '../../../client/seal/blocks.js';
import { sealFrame } from '../../../client/seal/frames.js';
import {
  commitmentLength,
  decodeHeader,
  encodeHeader,
  readHeaderLength,
} from '../../../proto/formats/sealed-file.js';
import { deriveFileKeys } from '../../../client/seal/keys.js';
import { open } from '../../../client/seal/open.js';
import { seal } from '../../../client/seal/seal.js';
import { chunksOf, collect } from './software-key.js';

const hex = z.string().transform((text) => Buffer.from(text, 'hex'));
const vectors = z.strictObject({
  format: z.literal(1),
  cases: z.array(
    z.strictObject({
      name: z.string(),
      dataKey: hex,
      sealed: hex,
      plaintext: hex.optional(),
      error: z.string().optional(),
    }),
  ),
});

const file = new URL('../../../../proto/formats/vectors/sealed-file.json', import.meta.url);
const { cases } = vectors.parse(JSON.parse(readFileSync(file, 'utf8')));

function holding(dataKey: Buffer): DataKeySource {
  return {
    generateDataKey: () => Promise.reject(new Error('not needed to open a file')),
    decrypt: () => Promise.resolve({ plaintext: Buffer.from(dataKey) }),
  };
}

for (const { name, dataKey, sealed, plaintext, error } of cases) {
  if (plaintext) {
    void t.test(`a file that another implementation sealed opens: ${name}`, async (t) => {
      const opened = await collect(open(chunksOf(sealed), { dataKeys: holding(dataKey) }));
      t.strictSame(opened, plaintext);
    });
    void t.test(`sealing under the same header gives the same bytes: ${name}`, async (t) => {
      const length = readHeaderLength(sealed);
      const header = decodeHeader(sealed.subarray(0, length));
      const bytes = encodeHeader(header);
      const { frameKey, commitment } = await deriveFileKeys(dataKey, header.salt, bytes);
      const parts = [bytes, commitment];
      for await (const block of new BlockReader(chunksOf(plaintext, 100)).blocks(header.frameSize))
        parts.push(await sealFrame(frameKey, block.number, block.last, block.bytes));
      t.equal(commitment.length, commitmentLength);
      t.strictSame(Buffer.concat(parts), sealed);
    });
  } else {
    void t.test(`a file is refused that has: ${name}`, async (t) => {
      await t.rejects(collect(open(chunksOf(sealed), { dataKeys: holding(dataKey) })), { code: error });
    });
  }
}

void t.test('@peculiar/webcrypto opens what Node sealed, as the page on the format says', async (t) => {
  const { subtle } = crypto;
  const dataKey = Buffer.alloc(32, 7);
  const plaintext = Buffer.alloc(2500, 'attack at dawn');
  const dataKeys: DataKeySource = {
    generateDataKey: () => Promise.resolve({ plaintext: Buffer.from(dataKey), ciphertextBlob: Buffer.of(1) }),
    decrypt: () => Promise.reject(new Error('not needed to seal a file')),
  };
  const options = { dataKeys, keyId: 'alias/files', encryptionContext: { a: 'b' }, frameSize: 1024 };
  const sealed = await collect(seal(chunksOf(plaintext, 100), options));
  const headerLength = sealed.readUInt16BE(11);
  const header = sealed.subarray(0, headerLength);
  const info = Buffer.concat([
    Buffer.from('keyhold sealed file, version 1'),
    Buffer.from(await subtle.digest('SHA-256', header)),
  ]);
  const base = await subtle.importKey('raw', dataKey, 'HKDF', false, ['deriveBits']);
  const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: sealed.subarray(13, 45), info };
  const bits = Buffer.from(await subtle.deriveBits(hkdf, base, 512));
  const frames = headerLength + 32;
  t.ok(bits.subarray(32).equals(sealed.subarray(headerLength, frames)), 'the commitment is that of the file');
  const key = await subtle.importKey('raw', bits.subarray(0, 32), 'AES-GCM', false, ['decrypt']);
  const opened: Buffer[] = [];
  for (let at = frames, number = 0; at < sealed.length; number++) {
    const frame = sealed.subarray(at, at + 1024 + 16);
    at += frame.length;
    const iv = Buffer.alloc(12);
    iv.writeUInt32BE(number, 7);
    iv[11] = at === sealed.length ? 1 : 0;
    opened.push(Buffer.from(await subtle.decrypt({ name: 'AES-GCM', iv }, key, frame)));
  }
  t.equal(opened.length, 3);
  t.ok(Buffer.concat(opened).equals(plaintext));
});
