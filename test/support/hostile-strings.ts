// Strings that no field may fail on, and every place of a request that takes a string.
import type { FieldShape, MessageShape } from '../../proto/schema/descriptor.js';
import { namedFields } from '../../proto/aws/names.js';

/** Strings that JSON can escape; those with lone surrogates have no UTF-8 encoding. */
export const hostileStrings: readonly string[] = [
  '\ud800',
  'a\udc00b',
  '\udbff\udbff',
  'a\0b',
  '\u0001\u001b[2J\r\nX-Evil: 1',
  '\u2028\u202e\ufeff\uffff',
  '\u0430lias/\u0435xample',
  'arn:aws:kms:us-east-1:000000000000:key/__proto__',
  '__proto__',
  'constructor',
  '',
  '${aws:username',
  '"}],<![CDATA[&\\',
  '😀'.repeat(2_000),
  'x'.repeat(8_193),
  '*'.repeat(30_000),
];

/** Invalid UTF-8: an encoded surrogate, an overlong zero, a truncated sequence, an invalid byte. */
export const invalidUtf8: readonly Buffer[] = [
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0x61, 0xc0, 0x80]),
  Buffer.from([0xe2, 0x82]),
  Buffer.from([0xff, 0xfe]),
];

/** Policies with a hostile text in each place where a policy has a text. */
export function hostilePolicies(text: string): string[] {
  const escaped = JSON.stringify(text);
  const statement = (more: string) =>
    `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*",${more}}]}`;
  return [
    statement(`"Sid":${escaped}`),
    statement(`"Condition":{${escaped}:{"a:b":"c"}}`),
    statement(`"Condition":{"StringLike":{${escaped}:"c"}}`),
    statement(`"Condition":{"StringLike":{"a:b":${escaped}}}`),
    statement(`"Condition":{"NumericEquals":{"a:b":${escaped}}}`),
    statement(`${escaped}:1`),
    `{"Statement":[{"Effect":${escaped}}]}`,
    `{"Statement":[{"Effect":"Allow","Principal":{"AWS":${escaped}},"Action":${escaped},"Resource":${escaped}}]}`,
    `{"Statement":[{"Effect":"Allow","Principal":{${escaped}:"x"},"Action":"kms:*","Resource":"*"}]}`,
    `{${escaped}:1}`,
  ];
}

/** A place for a text in a request, with the message around it as AWS JSON and as protobuf. */
export interface StringPlace {
  readonly path: string;
  readonly isPolicy: boolean;
  readonly json: (text: string) => Record<string, unknown>;
  readonly wire: (text: Buffer) => Buffer;
}

/** Every place for a text in a message. @param sample returns a valid value of a field, by its name */
export function stringPlaces(shape: MessageShape, sample: (name: string) => string): StringPlace[] {
  return namedFields(shape).flatMap(({ awsName, field }) =>
    placesOf(field, sample).map(({ path, json, wire }) => ({
      path: `${shape.name}.${field.name}${path}`,
      isPolicy: /policy$|policyDocument$/i.test(field.name),
      json: (text) => ({ ...good(shape, sample, field).json, [awsName]: json(text) }),
      wire: (text) => Buffer.concat([good(shape, sample, field).wire, wire(text)]),
    })),
  );
}

interface ValuePlace {
  readonly path: string;
  readonly json: (text: string) => unknown;
  readonly wire: (text: Buffer) => Buffer;
}

function placesOf(field: FieldShape, sample: (name: string) => string): ValuePlace[] {
  const { kind, repeated, message } = field;
  if (kind === 'map') {
    const entry = (key: Buffer, value: Buffer) =>
      delimited(field.tag, Buffer.concat([delimited(0x0a, key), delimited(0x12, value)]));
    return [
      { path: '{key}', json: (text) => ({ [text]: 'v' }), wire: (text) => entry(text, Buffer.from('v')) },
      { path: '{value}', json: (text) => ({ k: text }), wire: (text) => entry(Buffer.from('k'), text) },
    ];
  }
  if (message) {
    return stringPlaces(message, sample).map(({ path, json, wire }) => ({
      path: `.${path}`,
      json: (text) => (repeated ? [json(text)] : json(text)),
      wire: (text) => delimited(field.tag, wire(text)),
    }));
  }
  if (kind !== 'string' && kind !== 'enum') return [];
  return [
    {
      path: '',
      json: (text) => (repeated ? [text] : text),
      // An enum is a number on the wire and has no bytes to replace.
      wire: (text) => (kind === 'string' ? delimited(field.tag, text) : Buffer.alloc(0)),
    },
  ];
}

/** All required fields except one, with valid values. */
function good(shape: MessageShape, sample: (name: string) => string, without: FieldShape) {
  const json: Record<string, unknown> = {};
  const wires: Buffer[] = [];
  for (const { awsName, field } of namedFields(shape)) {
    if (field === without || !field.required || field.message || field.repeated) continue;
    if (field.kind === 'string') {
      json[awsName] = sample(field.name);
      wires.push(delimited(field.tag, Buffer.from(sample(field.name))));
    } else if (field.kind === 'bytes') {
      json[awsName] = 'AAAA';
      wires.push(delimited(field.tag, Buffer.alloc(3)));
    } else if (field.kind === 'enum') {
      const [[name, value] = ['', 0]] = field.numbers!;
      json[awsName] = name;
      wires.push(Buffer.concat([varint(field.tag), varint(value)]));
    }
  }
  return { json, wire: Buffer.concat(wires) };
}

export function delimited(tag: number, bytes: Buffer): Buffer {
  return Buffer.concat([varint(tag), varint(bytes.length), bytes]);
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value >>> 0; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}
