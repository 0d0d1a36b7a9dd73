// The types that are built from the schema: doc comments everywhere, and members that are always sent.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { schema } from '../../proto/generated/schema.js';
import { operationShapes } from '../../proto/schema/descriptor.js';
import { checkout } from '../support/paths.js';

const read = (name: string) =>
  readFileSync(join(checkout, 'proto/generated', `${name}.ts`), 'utf8').split('\n');

void t.test('every message, member, enum, method and paginator has a doc comment that is a sentence', (t) => {
  for (const name of ['messages', 'methods']) {
    const lines = read(name);
    const bare = lines.filter(
      (line, at) => /^(export | {2}\w+(\?|\(|:))/.test(line) && !lines[at - 1]?.endsWith('*/'),
    );
    // The members of Operations are types.
    const comments = bare.filter((line) => !/^ {2}[A-Z]\w+: \{ request: /.test(line));
    t.strictSame(comments, [], `${name}.ts`);
    const sentences = lines.filter((line) => line.endsWith('*/') && !/[.!]`? ?\*\/$/.test(line));
    t.strictSame(sentences, [], `${name}.ts`);
  }
  t.end();
});

void t.test('a request without required members is optional, and a paginator knows its items', (t) => {
  const methods = read('methods').join('\n');
  for (const { field, request } of operationShapes) {
    const optional = request.fields.every(({ required }) => !required);
    t.ok(methods.includes(`  ${field}(request${optional ? '?' : ''}: messages.`), field);
  }
  t.match(
    methods,
    /paginateListKeys\(request\?: .*\): AsyncGenerator<messages\.KeyListEntry, void, undefined>;/,
  );
  t.match(methods, /paginateListKeyPolicies\(request: .*\): AsyncGenerator<string, void, undefined>;/);
  t.end();
});

void t.test('only responses have members that are always sent, and these are not optional', (t) => {
  const types = read('messages').join('\n');
  const requests = new Set(operationShapes.map(({ request }) => request.name));
  const always = Object.entries(schema.messages).flatMap(([message, fields]) =>
    fields.filter((field) => field.always).map(({ name }) => [message, name] as const),
  );
  t.ok(always.length > 150, `${always.length} members`);
  for (const [message, name] of always) {
    t.notOk(requests.has(message), `${message}.${name}`);
    const [, body = ''] = new RegExp(`^export interface ${message} \\{\n(.*?)^\\}`, 'ms').exec(types) ?? [];
    t.match(body, new RegExp(`^  ${name}: `, 'm'), `${message}.${name}`);
  }
  t.end();
});
