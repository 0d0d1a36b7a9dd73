import * as fc from 'fast-check';
import t from 'tap';
import {
  decodeRequest,
  decodeResponse,
  encodeError,
  encodeRequest,
  encodeResponse,
  operationShape,
} from '../../../proto/codec/frames.js';
import { operationShapes } from '../../../proto/schema/descriptor.js';
import { errorTable, exceptions, ServiceError } from '../../../proto/errors.js';
import { requestType } from './protobuf.js';

const encrypt = operationShape('Encrypt');

void t.test('a decoded request equals the encoded one, and unset fields are absent', (t) => {
  const message = {
    keyId: 'alias/x',
    plaintext: Buffer.from('p'),
    encryptionContext: { a: 'b', é: '' },
    dryRun: false,
  };
  const decoded = decodeRequest(encodeRequest(7, 250, encrypt, message));
  t.match(decoded, { id: 7, deadline: 250, operation: { name: 'Encrypt' }, error: undefined });
  t.same(
    { ...decoded.message, encryptionContext: { ...(decoded.message.encryptionContext as object) } },
    message,
  );
  t.notOk('encryptionAlgorithm' in decoded.message);
  t.end();
});

void t.test('empty requests and responses of every operation are encoded and decoded', (t) => {
  for (const shape of operationShapes) {
    t.match(decodeRequest(encodeRequest(1, 0, shape, {})), { operation: { name: shape.name }, message: {} });
    const lists = shape.response.fields.filter((field) => field.repeated).map(({ name }) => [name, []]);
    const message = Object.fromEntries(lists) as object;
    for (const requestId of ['', '8e2b5a0c-96a5-4f1e-9d3c-0d6d2b7a1c11']) {
      const empty = { id: 1, operation: shape.name, message, requestId };
      t.same(
        decodeResponse(encodeResponse(1, shape, {}, requestId)),
        empty,
        'an empty list is decoded to a list',
      );
    }
  }
  t.end();
});

void t.test('names with a special meaning in JavaScript are ordinary keys of a map', (t) => {
  const context = JSON.parse('{"__proto__":"1","constructor":"2","hasOwnProperty":"3"}') as object;
  const { message } = decodeRequest(encodeRequest(1, 0, encrypt, { encryptionContext: context }));
  const map = message.encryptionContext as object;
  t.same(Object.entries(map), Object.entries(context));
  t.equal(Object.getPrototypeOf(map), null);
  t.end();
});

void t.test('a key given twice in a map is a ValidationException, not the last value', (t) => {
  const pair = { key: 'a', value: 'b' };
  const frame = requestType.encode({
    id: 3,
    encrypt: { keyId: 'x', encryptionContext: [pair, pair] },
  });
  t.match(decodeRequest(frame.finish()), {
    id: 3,
    error: { code: 'ValidationException', message: /'?"a"'? twice/ },
  });
  t.end();
});

void t.test('enum values that the schema does not have are refused in both directions', (t) => {
  for (const number of [0, 99]) {
    const frame = requestType.encode({
      id: 3,
      encrypt: { encryptionAlgorithm: number },
    });
    t.match(decodeRequest(frame.finish()), { id: 3, error: { code: 'ValidationException' } });
  }
  t.throws(() => encodeRequest(1, 0, encrypt, { encryptionAlgorithm: 'ROT13' }), {
    code: 'ValidationException',
  });
  t.end();
});

void t.test('strings, arrays and numbers are refused as maps', (t) => {
  for (const encryptionContext of ['a=b', ['a', 'b'], 7])
    t.throws(() => encodeRequest(1, 0, encrypt, { encryptionContext }), { code: 'ValidationException' });
  t.end();
});

void t.test('strings that are not well-formed Unicode are refused in both directions', (t) => {
  t.throws(() => encodeRequest(1, 0, encrypt, { keyId: '\ud800' }), { code: 'ValidationException' });
  t.throws(() => encodeRequest(1, 0, encrypt, { encryptionContext: { a: '\udfff' } }), {
    code: 'ValidationException',
  });
  // Request { id: 1, encrypt: { key_id: bytes ff } }
  t.throws(() => decodeRequest(Buffer.from([0x08, 1, 0x8a, 1, 3, 0x0a, 1, 0xff])));
  t.end();
});

void t.test('no operation, an unknown one, or two are errors with the ID of the request', (t) => {
  t.match(decodeRequest(Buffer.from([0x08, 9])), {
    id: 9,
    error: { code: 'UnsupportedOperationException' },
  });
  t.match(decodeRequest(Buffer.from([0x08, 9, 0xfa, 0x3f, 0])), {
    id: 9,
    error: { code: 'UnsupportedOperationException' },
  });
  const two = Buffer.concat([
    encodeRequest(9, 0, encrypt, {}),
    encodeRequest(9, 0, operationShape('ListKeys'), {}),
  ]);
  t.match(decodeRequest(two), { id: 9, error: { code: 'ValidationException' } });
  t.end();
});

void t.test('decoded errors have the code, message and advice of the encoded ones', (t) => {
  for (const code of Object.keys(errorTable) as (keyof typeof errorTable)[]) {
    const decoded = decodeResponse(encodeError(5, new ServiceError(code, 'why', { retryAfter: 20 })));
    t.match(decoded, {
      id: 5,
      error: { code, message: 'why', retryable: errorTable[code].retryable, retryAfter: 20 },
    });
    t.ok('error' in decoded && decoded.error instanceof exceptions[code]);
  }
  t.end();
});

void t.test('arbitrary bytes are decoded as a request or as an error', (t) => {
  const valid = [
    encodeRequest(1, 0, encrypt, { keyId: 'k', plaintext: Buffer.alloc(20), encryptionContext: { a: 'b' } }),
  ];
  const mutated = fc.tuple(fc.constantFrom(...valid), fc.nat(), fc.nat(255)).map(([frame, at, byte]) => {
    const copy = Buffer.from(frame);
    copy[at % copy.length] = byte;
    return copy;
  });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      try {
        const request = decodeRequest(Buffer.from(bytes));
        return request.error !== undefined || request.operation !== undefined;
      } catch (error) {
        return error instanceof Error;
      }
    }),
    { numRuns: 3_000 },
  );
  t.end();
});
