// Builds proto/generated from proto/schema: the schema for the codec, the TypeScript types of every message as a plain
// object (see proto/codec/frames.ts), the methods of clients, and texts for help. Generated files are never edited.
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

/** Whether a field's type has no `?`: it is required in a request, or always present in a response. */
function isAlwaysThere({ options }) {
  return options?.['(required)'] === true || options?.['(always)'] === true;
}

function comment(text, indent) {
  return text ? `${indent}/** ${text.replaceAll('\n', `\n${indent} * `)} */\n` : '';
}

/** The unit of a field's bounds, by its type. */
const units = { string: 'characters', bytes: 'bytes' };

/** Describes the bounds of a field, such as `1 to 2048 characters`. */
function bounds({ options = {}, repeated, type }) {
  const { '(min)': min, '(max)': max } = options;
  if (max === undefined) return '';
  const unit = repeated ? 'elements' : units[type];
  const range = min === undefined ? `at most ${max}` : min === max ? `${min}` : `${min} to ${max}`;
  const words = unit ? `${range} ${unit}` : range;
  return `${words[0].toUpperCase()}${words.slice(1)}.`;
}

function messageType(type) {
  const text = comment(type.comment ?? messageOf.get(type.name), '');
  const fields = type.fieldsArray.map((field) => {
    const words = [field.comment, bounds(field)].filter(Boolean).join(' ');
    return `${comment(words, '  ')}  ${field.name}${isAlwaysThere(field) ? '' : '?'}: ${fieldType(field)};\n`;
  });
  // The client adds members to responses, which an index signature of `never` would not allow.
  if (fields.length === 0 && !type.name.endsWith('Response'))
    return `${text}export type ${type.name} = Record<string, never>;\n`;
  return `${text}export interface ${type.name} {\n${fields.join('')}}\n`;
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
  return `${comment(type.comment, '')}export type ${type.name} =\n${values.map((v) => `  | '${v.slice(prefix.length)}'`).join('\n')};\n`;
}

const framing = ['Request', 'Response', 'Error', 'StringMapEntry'];
const operations = pkg.lookupType('Request').oneofs.operation.fieldsArray;
const results = pkg.lookupType('Response');
const described = operations.map((field) => {
  const result = results.fields[field.name];
  if (!result || result.id !== field.id) throw new Error(`Response lacks ${field.name} = ${field.id}`);
  if (!field.comment) throw new Error(`Request.${field.name} lacks a comment that says what it does`);
  const name = field.name[0].toUpperCase() + field.name.slice(1);
  return { name, field, request: field.resolvedType, response: result.resolvedType };
});
const rows = described.map(
  ({ name, request, response }) => `  ${name}: { request: ${request.name}; response: ${response.name} };\n`,
);
/** Comments for messages that have none in the schema. */
const messageOf = new Map(
  described.flatMap(({ name, request, response }) => [
    [request.name, `Request of ${name}.`],
    [response.name, `Response of ${name}.`],
  ]),
);

/** Whether a request can be left out. */
function isOptional(request) {
  return request.fieldsArray.every((field) => field.options?.['(required)'] !== true);
}

/** The methods of a client; below, its paginators. */
const methods = described.map(
  ({ name, field, request, response }) =>
    `${comment(field.comment, '  ')}  ${field.name}(request${isOptional(request) ? '?' : ''}: messages.${request.name}, options?: Options): Promise<messages.${response.name} & Metadata>;\n`,
);
const paginators = described.flatMap(({ name, field, request, response }) => {
  if (!request.fields.marker) return [];
  const [items, ...others] = response.fieldsArray.filter(({ repeated }) => repeated);
  if (!items || others.length > 0 || !response.fields.nextMarker)
    throw new Error(`${response.name} is no page of one list`);
  const item = scalars[items.type] ?? `messages.${items.type}`;
  const text = `${field.comment} Yields one at a time, and requests pages as they are needed.`;
  return [
    `${comment(text, '  ')}  paginate${name}(request${isOptional(request) ? '?' : ''}: Omit<messages.${request.name}, 'marker'>, options?: Options): AsyncGenerator<${item}, void, undefined>;\n`,
  ];
});
const methodTypes = `// Built from proto/schema by scripts/generate-proto.mjs; never edited.
import type * as messages from './messages.js';

/** A method for each operation. \`Options\`: of one request; \`Metadata\`: what a result has besides the response. */
export interface OperationMethods<Options, Metadata> {
${methods.join('')}}

/** A method for each operation that returns a list in pages. \`limit\` is the size of a page. */
export interface PaginatorMethods<Options> {
${paginators.join('')}}
`;
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
/** The descriptions of operations and of the members of their requests, for help. */
const texts = `// Built from proto/schema by scripts/generate-proto.mjs; never edited.
import type { OperationName } from '../schema/descriptor.js';

/** What each operation does: a sentence. */
export const operationTexts: Readonly<Record<OperationName, string>> = ${JSON.stringify(
  Object.fromEntries(described.map(({ name, field }) => [name, field.comment])),
  null,
  1,
)};

/** What each member of an operation's request is for: sentences. */
export const memberTexts: Readonly<Record<OperationName, Readonly<Record<string, string>>>> = ${JSON.stringify(
  Object.fromEntries(
    described.map(({ name, request }) => [
      name,
      Object.fromEntries(request.fieldsArray.map((field) => [field.name, field.comment ?? ''])),
    ]),
  ),
  null,
  1,
)};
`;
// The parsed schema, which descriptor.ts loads at each start of the daemon and of each command. Loading it takes a twentieth
// of the time that parsing the schema takes.
const optionNames = {
  '(required)': 'required',
  '(min)': 'min',
  '(max)': 'max',
  '(item_min)': 'itemMin',
  '(item_max)': 'itemMax',
  '(pattern)': 'pattern',
  '(service)': 'service',
  '(sensitive)': 'sensitive',
  '(always)': 'always',
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
writeFileSync(join(proto, 'generated', 'methods.ts'), methodTypes);
writeFileSync(join(proto, 'generated', 'schema.ts'), schema);
writeFileSync(join(proto, 'generated', 'texts.ts'), texts);
