// Keyhold's codec beside protobufjs's: each reads what the other writes, for every message of the schema.
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import t from 'tap';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  operationShape,
} from '../../../proto/codec/frames.js';
import {
  type FieldShape,
  type MessageShape,
  type OperationShape,
  operationShapes,
} from '../../../proto/schema/descriptor.js';
import { WireError } from '../../../proto/codec/wire.js';
import { requestType, responseType } from './protobuf.js';

type Plain = Record<string, unknown>;

const text = fc.string({ unit: 'binary', maxLength: 200 }).filter((each) => each.isWellFormed());
const kinds: Readonly<Record<Exclude<FieldShape['kind'], 'enum' | 'message'>, fc.Arbitrary<unknown>>> = {
  string: fc.oneof(text, fc.string({ maxLength: 20 })),
  bytes: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  boolean: fc.boolean(),
  number: fc.oneof(fc.integer({ min: 0, max: 2 ** 31 - 1 }), fc.nat(200)),
  timestamp: fc.double({ noNaN: true }),
  map: fc.dictionary(text, text, { minKeys: 1, maxKeys: 4, noNullPrototype: false }),
};

function arbitraryOf(field: FieldShape): fc.Arbitrary<unknown> {
  const one = field.message
    ? messageOf(field.message)
    : field.numbers
      ? fc.constantFrom(...field.numbers.keys())
      : kinds[field.kind as keyof typeof kinds];
  return field.repeated ? fc.array(one, { minLength: 1, maxLength: 4 }) : one;
}

function messageOf(shape: MessageShape): fc.Arbitrary<Plain> {
  const fields = Object.fromEntries(shape.fields.map((field) => [field.name, arbitraryOf(field)]));
  return fc.record(fields, { requiredKeys: [] });
}

/** Converts a message for protobufjs: enums are numbers, and a map is a list of entries. */
function forJudge(shape: MessageShape, plain: Plain): Plain {
  const entries = shape.fields.flatMap((field) => {
    const value = plain[field.name];
    return value === undefined ? [] : [[field.name, fieldForJudge(field, value)]];
  });
  return Object.fromEntries(entries) as Plain;
}

function fieldForJudge(field: FieldShape, value: unknown): unknown {
  if (field.kind === 'map')
    // An empty string is the same as none, in an entry.
    return Object.entries(value as Record<string, string>).map(([key, each]) => ({
      ...(key && { key }),
      ...(each && { value: each }),
    }));
  if (Array.isArray(value)) return value.map((each) => elementForJudge(field, each));
  return elementForJudge(field, value);
}

function elementForJudge({ message, numbers }: FieldShape, value: unknown): unknown {
  return message ? forJudge(message, value as Plain) : (numbers?.get(value as string) ?? value);
}

/** Adds the lists that a message inside another one has, even if they are empty. */
function withLists(shape: MessageShape, plain: Plain): Plain {
  const entries = Object.entries(plain).map(([name, value]) => {
    const { message } = shape.byName.get(name)!;
    if (!message) return [name, value];
    const complete = (each: unknown) => ({
      ...Object.fromEntries(message.lists.map((list) => [list, []])),
      ...withLists(message, each as Plain),
    });
    return [name, Array.isArray(value) ? value.map(complete) : complete(value)];
  });
  return Object.fromEntries(entries) as Plain;
}

/** Converts for comparison: bytes become hex, and maps become objects. */
function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, comparable(each)]));
}

const same = (found: unknown, wanted: unknown) =>
  assert.deepStrictEqual(comparable(found), comparable(wanted));

const sides = {
  request: {
    type: requestType,
    encode: (shape: OperationShape, message: Plain) => encodeRequest(7, 9, shape, message),
    decode: decodeRequest,
  },
  response: {
    type: responseType,
    encode: (shape: OperationShape, message: Plain) => encodeResponse(7, shape, message),
    decode: decodeResponse,
  },
};

void t.test(
  'every message reads the same to protobufjs, and what protobufjs writes reads the same here',
  (t) => {
    for (const operation of operationShapes) {
      for (const [side, { type, encode, decode }] of Object.entries(sides)) {
        const shape = operation[side as keyof typeof sides];
        const check = (message: Plain) => {
          const wire = forJudge(shape, message);
          const { [operation.field]: judged, id } = type.toObject(type.decode(encode(operation, message)));
          same([id, judged], [7, wire]);
          const decoded = decode(type.encode({ id: 7, [operation.field]: wire }).finish());
          assert.ok('message' in decoded);
          const empty = shape.fields.filter(({ name, repeated }) => repeated && !(name in message));
          // A list is decoded to a list, even if it is empty.
          const lists = side === 'response' ? Object.fromEntries(empty.map(({ name }) => [name, []])) : {};
          same([decoded.id, decoded.message], [7, { ...withLists(shape, message), ...lists }]);
        };
        t.doesNotThrow(
          () => fc.assert(fc.property(messageOf(shape), check), { numRuns: 50 }),
          `${operation.name}: ${side}`,
        );
      }
    }
    t.end();
  },
);

const encrypt = operationShape('Encrypt');
const sample = {
  keyId: 'é'.repeat(100),
  plaintext: Buffer.alloc(4096, 7),
  encryptionContext: { a: 'b' },
  dryRun: true,
};
const frame = encodeRequest(7, 0, encrypt, sample);
/** A Request whose only field is Encrypt, with these bytes in it. */
const request = (...bytes: number[]) => Buffer.from([0x08, 7, 0x8a, 1, bytes.length, ...bytes]);

void t.test('a truncated frame is refused, or lacks the fields that were cut off', (t) => {
  for (let length = 0; length < frame.length; length++) {
    try {
      // Truncated between two fields, the frame is complete.
      const { error, operation } = decodeRequest(frame.subarray(0, length));
      if (operation || !error) t.fail(`cut to ${length} bytes`);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
  }
  t.end();
});

void t.test('bytes that no encoder writes are refused', (t) => {
  const refused: Readonly<Record<string, Buffer>> = {
    'a varint of eleven bytes': Buffer.from([0x08, ...Array<number>(10).fill(0xff), 1]),
    'a varint of eleven bytes in an unknown field': request(0xf8, 0x3f, ...Array<number>(10).fill(0xff), 1),
    'a varint of eleven bytes in a group': request(
      0xfb,
      0x3f,
      8,
      ...Array<number>(10).fill(0xff),
      1,
      0xfc,
      0x3f,
    ),
    'a tag of more than 32 bits': Buffer.from([0x88, 0x80, 0x80, 0x80, 0x10, 1]),
    'a length of more than five bytes': request(0x0a, 0x81, 0x80, 0x80, 0x80, 0x80, 0, 0x61),
    'an entry of a map that is longer than its map': request(0x1a, 3, 0x0a, 2, 0x61, 0x62, 0x63),
    'field 0': Buffer.from([0x00, 0]),
    'field 0 in a group': request(0xfb, 0x3f, 0, 0, 0xfc, 0x3f),
    'the end of another group': request(0xfb, 0x3f, 0xf4, 0x3f),
    'the end of a group that did not begin': Buffer.from([0x0c]),
    'a group that does not end': Buffer.from([0xfb, 0x3f, 0x08, 1]),
    'groups without end': Buffer.alloc(4_000, Buffer.from([0xfb, 0x3f])),
    'wire type 6': Buffer.from([0x0e]),
    'a field that is longer than its message': request(0x0a, 5, 0x61),
    'a length of 4 GB': request(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f),
    'a string that is cut off within a character': request(0x0a, 1, 0xc3),
    'a surrogate in UTF-8': request(0x0a, 3, 0xed, 0xa0, 0x80),
  };
  for (const [name, bytes] of Object.entries(refused)) t.throws(() => decodeRequest(bytes), WireError, name);
  t.end();
});

void t.test('bytes that encoders of other versions and languages may write are accepted', (t) => {
  const read = (...bytes: number[]) => decodeRequest(request(...bytes)).message;
  const unknown = [
    0xf8,
    0x3f,
    1,
    0xf9,
    0x3f,
    ...Array<number>(8).fill(0),
    0xfa,
    0x3f,
    1,
    0,
    0xfd,
    0x3f,
    0,
    0,
    0,
    0,
  ];
  const group = [0xfb, 0x3f, 0x08, 1, 0xfc, 0x3f];
  t.same(read(0x0a, 1, 0x61, ...unknown, ...group), { keyId: 'a' }, 'unknown fields are skipped');
  t.same(read(0x08, 5), {}, 'a field of another wire type is skipped');
  t.same(read(0x0a, 1, 0x61, 0x0a, 1, 0x62), { keyId: 'b' }, 'the last of two values counts');
  t.same(read(0x0a, 0x81, 0, 0x61), { keyId: 'a' }, 'a length may have more bytes than it needs');
  t.same(
    read(0x0a, 3, 0xef, 0xbf, 0xbd),
    { keyId: '\ufffd' },
    'the replacement character itself is accepted',
  );
  t.same(read(0x30, 0x80, 1), { dryRun: true }, 'a bool may have more than one byte');
  const context = (message: object) => ({ ...(message as { encryptionContext: object }).encryptionContext });
  t.same(
    context(read(0x1a, 2, 0x12, 0)),
    { '': '' },
    'an entry without key and value is a pair of empty strings',
  );
  t.same(
    context(decodeRequest(Buffer.concat([frame, request(0x1a, 6, 0x0a, 1, 0x63, 0x12, 1, 0x64)])).message),
    { a: 'b', c: 'd' },
    'two parts of a message are merged',
  );
  const { dryRunModifiers } = decodeRequest(
    requestType.encode({ id: 1, decrypt: { dryRunModifiers: [1, 1] } }).finish(),
  ).message as { dryRunModifiers: unknown[] };
  t.equal(dryRunModifiers.length, 2, 'a packed list of numbers is accepted');
  t.end();
});

void t.test('a value that its field cannot hold is a ValidationException that names the field', (t) => {
  const listKeys = operationShape('ListKeys');
  const wrong: readonly [OperationShape, Plain][] = [
    [encrypt, { keyId: 7 }],
    [encrypt, { plaintext: 'text' }],
    [encrypt, { dryRun: 'yes' }],
    [encrypt, { encryptionContext: { a: 1 } }],
    [listKeys, { limit: '7' }],
    [listKeys, { limit: 1.5 }],
    [listKeys, { limit: 2 ** 31 }],
  ];
  for (const [shape, message] of wrong)
    t.throws(() => encodeRequest(1, 0, shape, message), {
      code: 'ValidationException',
      message: new RegExp(`'${Object.keys(message)[0]}' takes`),
    });
  const after = decodeRequest(encodeRequest(1, 0, listKeys, { limit: -5 }));
  t.same(after.message, { limit: -5 }, 'the next frame contains nothing of them');
  t.end();
});

void t.test(
  'a message that does not fit into the shared memory leaves nothing of itself or of others there',
  (t) => {
    // Repeated until fewer than 40,000 bytes are left behind it.
    let before: Uint8Array;
    do before = encodeRequest(1, 0, encrypt, { plaintext: Buffer.alloc(3_000, 'before') });
    while (before.buffer.byteLength - before.byteOffset - before.length > 40_000);
    for (const length of [40_000, 70_000, 1_000_000]) {
      const plaintext = Buffer.alloc(length, 'secret');
      const encoded = encodeRequest(1, 0, encrypt, { keyId: 'secret'.repeat(1_000), plaintext });
      t.same(decodeRequest(encoded).message.plaintext, plaintext);
      t.notOk(
        Buffer.from(encoded.buffer).includes('before'),
        'the buffer has no copy of the previous message',
      );
      encoded.fill(0);
      t.notOk(Buffer.from(encoded.buffer).includes('secret'), 'nothing is left around the message');
      t.notOk(Buffer.from(before.buffer).includes('secret'), 'nothing is left where the encoder began');
    }
    for (const length of [1_000, 100_000]) {
      const neighbour = encodeRequest(1, 0, encrypt, {});
      const plaintext = Buffer.alloc(length, 'failed');
      const failed = { keyId: 'failed', plaintext, grantTokens: ['\ud800'] };
      t.throws(() => encodeRequest(1, 0, encrypt, failed), { code: 'ValidationException' });
      t.notOk(
        Buffer.from(neighbour.buffer).includes('failed'),
        'nothing is left of a message that cannot be encoded',
      );
    }
    t.end();
  },
);
