import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { exceptions } from '../../../proto/errors.js';
import { commitmentLength, readHeaderLength } from '../../../proto/formats/sealed-file.js';
import { open } from '../../../client/seal/open.js';
import { seal } from '../../../client/seal/seal.js';
import { chunksOf, collect, oneDataKey, softwareKey } from './software-key.js';

const dataKeys = softwareKey();
const keyId = 'alias/files';
const frameSize = 1024;

function sealed(plaintext: Uint8Array, options = {}, chunk?: number) {
  return collect(seal(chunksOf(plaintext, chunk), { dataKeys, keyId, frameSize, ...options }));
}

function opened(bytes: Uint8Array, options = {}, chunk?: number) {
  return collect(open(chunksOf(bytes, chunk), { dataKeys, ...options }));
}

/** A sealed file taken apart: its header with the commitment, and its frames. */
function parts(bytes: Buffer): { head: Buffer; frames: Buffer[] } {
  const headLength = readHeaderLength(bytes) + commitmentLength;
  const frames: Buffer[] = [];
  for (let at = headLength; at < bytes.length; at += frameSize + 16)
    frames.push(bytes.subarray(at, at + frameSize + 16));
  return { head: bytes.subarray(0, headLength), frames };
}

const sizes = [0, 1, 65535, 65536, 65537, 3 * 65536, 10_000_000];
void t.test('a file of any size comes back unchanged', async (t) => {
  for (const size of sizes) {
    const plaintext = randomBytes(size);
    const bytes = await sealed(plaintext, { frameSize: undefined, length: size });
    const frames = Math.max(1, Math.ceil(size / 65536));
    t.equal(bytes.length - readHeaderLength(bytes), commitmentLength + size + frames * 16, `${size} bytes`);
    t.ok((await opened(bytes)).equals(plaintext), `${size} bytes`);
  }
});

void t.test('however a stream is split into chunks, a file comes back unchanged', async (t) => {
  const someBytes = fc.uint8Array({ maxLength: 5000 });
  const chunk = fc.integer({ min: 1, max: 3000 });
  const context = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }));
  await fc.assert(
    fc.asyncProperty(
      someBytes,
      chunk,
      chunk,
      context,
      async (plaintext, first, second, encryptionContext) => {
        const bytes = await sealed(plaintext, { encryptionContext }, first);
        return (await opened(bytes, { encryptionContext }, second)).equals(plaintext);
      },
    ),
    { numRuns: 300 },
  );
  t.pass();
});

void t.test('a change of any one bit of a sealed file is refused', async (t) => {
  const bytes = await sealed(randomBytes(2 * frameSize + 5), { encryptionContext: { project: 'x' } });
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(at) ^ (1 << (at % 8)), at);
    await opened(changed).then(
      () => t.fail(`byte ${at}`),
      (error: { code: string }) => {
        const code = at < 8 ? 'NotASealedFile' : at < 10 ? 'UnsupportedFormat' : 'InvalidSealedFile';
        if (error.code !== code) t.fail(`byte ${at}: ${error.code}`);
      },
    );
  }
  t.strictSame((await opened(bytes)).length, 2 * frameSize + 5);
});

void t.test('a file truncated anywhere is refused', async (t) => {
  const bytes = await sealed(randomBytes(2 * frameSize));
  for (let length = 0; length < bytes.length; length++) {
    await opened(bytes.subarray(0, length)).then(
      () => t.fail(`cut at ${length}`),
      (error: { code: string }) => {
        if (error.code !== (length < 8 ? 'NotASealedFile' : 'InvalidSealedFile')) t.fail(`cut at ${length}`);
      },
    );
  }
  t.pass();
});

void t.test('reordered, repeated and missing frames are refused', async (t) => {
  const { head, frames } = parts(await sealed(randomBytes(3 * frameSize)));
  const order = fc.array(fc.nat({ max: 2 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(order, async (indices) => {
      fc.pre(indices.join() !== '0,1,2');
      const changed = Buffer.concat([head, ...indices.map((index) => frames[index]!)]);
      return opened(changed).then(
        () => false,
        (error: { code: string }) => error.code === 'InvalidSealedFile',
      );
    }),
    { numRuns: 300 },
  );
  t.pass();
});

void t.test('frames and headers of two files under one data key cannot be mixed', async (t) => {
  const source = oneDataKey();
  const one = parts(await sealed(randomBytes(2 * frameSize), { dataKeys: source }));
  const two = parts(await sealed(randomBytes(2 * frameSize), { dataKeys: source }));
  const mixtures = [
    [one.head, ...two.frames],
    [one.head, one.frames[0], two.frames[1]],
    [one.head, two.frames[0], one.frames[1]],
    [one.head.subarray(0, -32), two.head.subarray(-32), ...one.frames],
  ] as Buffer[][];
  for (const mixture of mixtures) {
    const bytes = Buffer.concat(mixture);
    await t.rejects(opened(bytes, { dataKeys: source }), { code: 'InvalidSealedFile' });
  }
  t.equal((await opened(Buffer.concat([one.head, ...one.frames]), { dataKeys: source })).length, 2048);
});

void t.test('two files of the same content under one data key share no byte of frame or salt', async (t) => {
  const source = oneDataKey();
  const plaintext = Buffer.alloc(100);
  const [one, two] = [
    parts(await sealed(plaintext, { dataKeys: source })),
    parts(await sealed(plaintext, { dataKeys: source })),
  ];
  t.notSame(one.head.subarray(13, 45), two.head.subarray(13, 45));
  t.notSame(one.frames, two.frames);
});

void t.test('a wrong commitment is found before any plaintext is returned', async (t) => {
  const bytes = await sealed(randomBytes(3 * frameSize));
  const at = readHeaderLength(bytes);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await t.rejects(open(chunksOf(bytes), { dataKeys }).next(), { code: 'InvalidSealedFile' });
});

void t.test('a file opens only with the encryption context that the caller expects', async (t) => {
  const bytes = await sealed(Buffer.from('x'), { encryptionContext: { project: 'a', owner: 'b' } });
  t.equal((await opened(bytes, { encryptionContext: { owner: 'b' } })).toString(), 'x');
  for (const encryptionContext of [{ owner: 'c' }, { other: 'b' }, { toString: 'x' }])
    await t.rejects(opened(bytes, { encryptionContext }), { code: 'EncryptionContextMismatch' });
});

void t.test('the expected key is passed to the daemon, and its refusal to the caller', async (t) => {
  const bytes = await sealed(Buffer.from('x'));
  const refusing = {
    ...dataKeys,
    decrypt: ({ keyId }: { keyId?: string }) =>
      Promise.reject(new exceptions.IncorrectKeyException(`not of ${keyId}`)),
  };
  await t.rejects(opened(bytes, { dataKeys: refusing, keyId: 'alias/mine' }), {
    code: 'IncorrectKeyException',
    message: 'not of alias/mine',
  });
});

void t.test('the data key is wiped when the file key is derived, even if that fails', async (t) => {
  const handedOut: Uint8Array[] = [];
  const watched = {
    generateDataKey: async (...request: Parameters<typeof dataKeys.generateDataKey>) => {
      const result = await dataKeys.generateDataKey(...request);
      handedOut.push(result.plaintext);
      return result;
    },
    decrypt: async (...request: Parameters<typeof dataKeys.decrypt>) => {
      const result = await dataKeys.decrypt(...request);
      handedOut.push(result.plaintext);
      return result;
    },
  };
  const bytes = await sealed(Buffer.from('x'), { dataKeys: watched });
  await opened(bytes, { dataKeys: watched });
  await t.rejects(sealed(Buffer.from('x'), { dataKeys: watched, frameSize: 1000 }), {
    code: 'UnusableInput',
  });
  bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20);
  await t.rejects(opened(bytes, { dataKeys: watched }));
  t.equal(handedOut.length, 4);
  for (const key of handedOut) t.ok(key.every((byte) => byte === 0));
});

void t.test('an input that does not have its announced length is refused', async (t) => {
  for (const length of [0, 4999, 5001, 9999])
    await t.rejects(
      sealed(randomBytes(5000), { length }),
      { code: 'UnusableInput' },
      `an announced length of ${length} is refused`,
    );
});

void t.test('an encryption context that has no single encoding is refused', async (t) => {
  for (const encryptionContext of [{ a: '\ud800' }, { '\udfff': 'b' }, { a: 'x'.repeat(8192) }])
    await t.rejects(sealed(Buffer.alloc(1), { dataKeys: oneDataKey(), encryptionContext }), {
      code: 'UnusableInput',
    });
});

void t.test('an abort ends sealing and opening with the reason, and closes the source', async (t) => {
  for (const transform of ['seal', 'open'] as const) {
    const reason = new Error('enough');
    const controller = new AbortController();
    let released = false;
    const bytes = await sealed(randomBytes(100 * frameSize));
    async function* source() {
      try {
        yield bytes.subarray(0, 5000);
        controller.abort(reason);
        yield* chunksOf(bytes.subarray(5000), 5000);
      } finally {
        released = true;
      }
    }
    const options = { dataKeys, keyId, frameSize, signal: controller.signal };
    const result = transform === 'seal' ? seal(source(), options) : open(source(), options);
    await t.rejects(collect(result), reason);
    t.ok(released, transform);
  }
});
