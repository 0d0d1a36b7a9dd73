import { deepStrictEqual, throws } from 'node:assert';
import fc from 'fast-check';
import t from 'tap';
import {
  ChannelError,
  FrameReader,
  FrameWriter,
  maxFrameLength,
  countMessages,
  forEachMessage,
} from '../../daemon/hsm/frames.js';

interface Message {
  id: number;
  code: number;
  microseconds: number;
  parts: Buffer[];
}

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const message = fc
  .tuple(u32, fc.integer({ min: 0, max: 255 }), u32, fc.array(bytes, { maxLength: 10 }))
  .map(([id, code, microseconds, parts]): Message => ({ id, code, microseconds, parts }));
const frames = fc.array(fc.array(message, { maxLength: 8 }), { maxLength: 5 });

function encode(messages: Message[], writer = new FrameWriter()): Buffer {
  for (const { id, code, microseconds, parts } of messages) writer.add(id, code, microseconds, parts);
  return Buffer.from(writer.take());
}

function decode(frame: Buffer): Message[] {
  const messages: Message[] = [];
  forEachMessage(frame, (id, code, microseconds, parts) =>
    messages.push({ id, code, microseconds, parts: parts.map((part) => Buffer.from(part)) }),
  );
  return messages;
}

void t.test('each end reads what the other writes, however the bytes are split', (t) => {
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (given, cuts) => {
      const writer = new FrameWriter();
      const stream = Buffer.concat(given.map((messages) => encode(messages, writer)));
      const reader = new FrameReader();
      const read: Message[][] = [];
      for (let at = 0, n = 0; at < stream.length; n++) {
        const end = at + (cuts[n % cuts.length] ?? 1);
        reader.push(Buffer.from(stream.subarray(at, end)), (frame) => read.push(decode(frame)));
        at = end;
      }
      deepStrictEqual(read, given);
    }),
    { numRuns: 100 },
  );
  t.end();
});

void t.test('a frame larger than the writer’s first buffer arrives whole', (t) => {
  const given = [
    { id: 1, code: 2, microseconds: 3, parts: [Buffer.alloc(50_000, 7), Buffer.alloc(400_000, 9)] },
  ];
  const read: Message[][] = [];
  new FrameReader().push(encode(given), (frame) => read.push(decode(frame)));
  t.strictSame(read, [given]);
  t.end();
});

void t.test('arbitrary bytes instead of a frame are an error or a frame, never a crash', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 200 }), (array) => {
      try {
        decode(Buffer.from(array));
      } catch (error) {
        if (!(error instanceof ChannelError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
  t.end();
});

void t.test('a frame truncated anywhere, or with an extra byte, is refused', (t) => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 4 }), (messages) => {
      const frame = encode(messages).subarray(4);
      deepStrictEqual(countMessages(frame), messages.length);
      for (let length = 4; length < frame.length; length++)
        throws(() => decode(frame.subarray(0, length)), ChannelError);
      throws(() => decode(Buffer.concat([frame, Buffer.of(0)])), ChannelError);
    }),
    { numRuns: 10 },
  );
  t.end();
});

void t.test('an impossible length is refused before memory is allocated', (t) => {
  for (const length of [0, 3, maxFrameLength + 1, 0xffffffff]) {
    const header = Buffer.alloc(4);
    header.writeUInt32LE(length);
    throws(
      () => new FrameReader().push(Buffer.concat([header, Buffer.alloc(8)]), () => undefined),
      ChannelError,
    );
    throws(() => {
      const reader = new FrameReader();
      for (const byte of header) reader.push(Buffer.of(byte), () => undefined);
    }, ChannelError);
  }
  t.end();
});

void t.test('bytes that the reader copied out of a chunk are wiped there', (t) => {
  const stream = encode([{ id: 1, code: 1, microseconds: 0, parts: [Buffer.alloc(40, 0xaa)] }]);
  const reader = new FrameReader();
  const first = Buffer.from(stream.subarray(0, 30));
  const second = Buffer.from(stream.subarray(30));
  let frames = 0;
  reader.push(first, () => frames++);
  reader.push(second, () => frames++);
  t.equal(frames, 1);
  t.ok(first.equals(Buffer.alloc(first.length)));
  t.ok(second.equals(Buffer.alloc(second.length)));
  t.end();
});
