import { readFileSync } from 'node:fs';
import t from 'tap';
import { z } from 'zod';
import type { DataKeySource } from '../../../client/data-key-source.js';
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
