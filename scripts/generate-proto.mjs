// Builds proto/generated from proto/schema: the schema that the codec works from, and the TypeScript types
// of every message in the shape that programs see (see proto/codec/frames.ts). Generated files are never edited.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

const proto = join(dirname(fileURLToPath(import.meta.url)), '..', 'proto');
const root = new protobuf.Root();
// options.proto only declares the options' types for other languages' compilers.
root.resolvePath = (_origin, target) => (target === 'options.proto' ? null : join(proto, 'schema', target));
root.loadSync('keyhold.proto', { keepCase: false, alternateCommentMode: true });
root.resolveAll();
const pkg = root.lookup('keyhold.v1');

const scalars = { string: 'string', bytes: 'Uint8Array', bool: 'boolean' };

function fieldType(field) {
  if (field.repeated && field.type === 'StringMapEntry') return 'StringMap';
  const name = scalars[field.type] ?? (field.resolvedType ? field.resolvedType.name : 'number');
  return field.repeated ? `${name}[]` : name;
}

function comment(text, indent) {
  return text ? `${indent}/** ${text.replaceAll('\n', `\n${indent} * `)} */\n` : '';
}

function messageType(type) {
  const fields = type.fieldsArray.map(
    (field) =>
      `${comment(field.comment, '  ')}  ${field.name}${field.options?.['(required)'] ? '' : '?'}: ${fieldType(field)};\n`,
  );
  if (fields.length === 0)
    return `${comment(type.comment, '')}export type ${type.name} = Record<string, never>;\n`;
  return `${comment(type.comment, '')}export interface ${type.name} {\n${fields.join('')}}\n`;
}

function enumPrefix(type) {
  return `${type.name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase()}_`;
}

function enumType(type) {
  const prefix = enumPrefix(type);
  const values = Object.keys(type.values).filter((value) => type.values[value] !== 0);
  for (const value of Object.keys(type.values)) {
    if (!value.startsWith(prefix)) throw new Error(`${type.name}.${value} must begin with ${prefix}`);
  }
  return `export type ${type.name} =\n${values.map((v) => `  | '${v.slice(prefix.length)}'`).join('\n')};\n`;
}

const framing = ['Request', 'Response', 'Error', 'StringMapEntry'];
const operations = pkg.lookupType('Request').oneofs.operation.fieldsArray;
const results = pkg.lookupType('Response');
const rows = operations.map((field) => {
  const result = results.fields[field.name];
  if (!result || result.id !== field.id) throw new Error(`Response lacks ${field.name} = ${field.id}`);
  const name = field.name[0].toUpperCase() + field.name.slice(1);
  return `  ${name}: { request: ${field.type}; response: ${result.type} };\n`;
});
const types = [
  '// Built from proto/schema by scripts/generate-proto.mjs; never edited.\n',
  '/** A map of strings; what the decoder returns has no prototype, so every key is an ordinary key. */\nexport type StringMap = Record<string, string>;\n',
  ...pkg.nestedArray
    .filter((type) => !framing.includes(type.name))
    .map((type) =>
      type instanceof protobuf.Enum ? enumType(type) : type instanceof protobuf.Type ? messageType(type) : '',
    ),
  `/** Every operation with its request and its response. */\nexport interface Operations {\n${rows.join('')}}\n`,
].join('\n');
// What descriptor.ts reads at each start, of the daemon and of each command: a parsed schema, in a twentieth of the time that
// it takes to parse it.
const optionNames = {
  '(required)': 'required',
  '(min)': 'min',
  '(max)': 'max',
  '(item_min)': 'itemMin',
  '(item_max)': 'itemMax',
  '(pattern)': 'pattern',
  '(service)': 'service',
  '(sensitive)': 'sensitive',
};
function fieldOf(field) {
  const options = Object.entries(field.options ?? {}).flatMap(([name, value]) => {
    if (name === 'proto3_optional') return [];
    if (!optionNames[name]) throw new Error(`${field.fullName}: descriptor.ts knows no option ${name}`);
    return [[optionNames[name], value]];
  });
  const { name, id: number, resolvedType } = field;
  const type = resolvedType?.name ?? field.type;
  return { name, number, type, ...(field.repeated && { repeated: true }), ...Object.fromEntries(options) };
}
function valuesOf(type) {
  const { length } = enumPrefix(type);
  const named = Object.entries(type.values).filter(([, number]) => number !== 0);
  return Object.fromEntries(named.map(([name, number]) => [name.slice(length), number]));
}
const ofType = (Type) => pkg.nestedArray.filter((type) => type instanceof Type);
const tables = {
  messages: Object.fromEntries(
    ofType(protobuf.Type).map((type) => [type.name, type.fieldsArray.map(fieldOf)]),
  ),
  enums: Object.fromEntries(ofType(protobuf.Enum).map((type) => [type.name, valuesOf(type)])),
};
const schema = `// Built from proto/schema by scripts/generate-proto.mjs; never edited.
import type { Schema } from '../schema/schema.js';

export const schema: Schema = ${JSON.stringify(tables, null, 1)};
`;

mkdirSync(join(proto, 'generated'), { recursive: true });
writeFileSync(join(proto, 'generated', 'messages.ts'), types);
writeFileSync(join(proto, 'generated', 'schema.ts'), schema);
