// Between the words of a command line and the fields of a request, as the AWS CLI v2 has it.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { namedFields } from '../../../proto/aws/names.js';
import type { FieldShape, MessageShape } from '../../../proto/schema/descriptor.js';
import type { StringMap } from '../../../proto/generated/messages.js';
import { hasDuplicateMember } from '../../../proto/json-members.js';
import { parseShorthand, ShorthandError, type Tree } from './shorthand.js';

/** A command line that cannot be understood; exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** How blobs are written in words and JSON, as the AWS CLI names it. */
export const binaryFormats = ['base64', 'raw-in-base64-out'] as const;
export type BinaryFormat = (typeof binaryFormats)[number];

/** How blobs are given, as help says it. */
export const blobText = 'base64, or a file as fileb://path (bytes) or file://path (base64)';

/** `keyId` → `key-id` */
export function kebab(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
}

/**
 * A field's value from the words given for its option.
 * @param words one, or several for a list
 * @throws UsageError
 */
export function readValue(
  field: FieldShape,
  words: readonly string[],
  binaryFormat: BinaryFormat = 'base64',
): unknown {
  const option = `--${kebab(field.name)}`;
  const read = (word: string) => new Reader(option, binaryFormat).word(field, word);
  if (!field.repeated) return read(words[0] ?? '');
  const text = words.length === 1 ? textOf(option, words[0]!) : undefined;
  if (text?.trimStart().startsWith('['))
    return new Reader(option, binaryFormat).tree(field, parseJson(option, text));
  return (text === undefined ? words : [text]).map(read);
}

/**
 * A request from JSON with AWS's names.
 * @param option as messages name it
 * @throws UsageError
 */
export function readRequest(
  shape: MessageShape,
  option: string,
  tree: Tree,
  binaryFormat: BinaryFormat,
): Record<string, unknown> {
  return new Reader(option, binaryFormat).members(shape, tree, '');
}

/** The text of an option whose value may be a file, as `file://path`. @throws UsageError */
export function textOf(option: string, word: string): string {
  if (!word.startsWith('file://')) return word;
  const path = word.slice('file://'.length);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFile(option, path));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${option}: ${path} is not text in UTF-8; give bytes as fileb://${path}.`);
  }
}

/** @throws UsageError, also for an object that has a member twice */
export function parseJson(option: string, text: string): Tree {
  let tree: Tree;
  try {
    tree = JSON.parse(text) as Tree;
  } catch {
    throw new UsageError(`${option}: this is not JSON.`);
  }
  if (hasDuplicateMember(text)) throw new UsageError(`${option}: an object has a member twice.`);
  return tree;
}

/** `a=b,c=d`, a JSON object of strings, or a file with one of them. @throws UsageError */
export function readMap(option: string, word: string): StringMap {
  const text = textOf(option, word);
  return stringsOf(option, '', objectOf(option, text, 'name=value,other=value'));
}

/** Reads the values of one option. */
class Reader {
  constructor(
    private readonly option: string,
    private readonly binaryFormat: BinaryFormat,
  ) {}

  /** A word of the command line. */
  word(field: FieldShape, word: string): unknown {
    const { option } = this;
    if (field.kind === 'bytes') return this.#blobWord(word);
    if (word.startsWith('fileb://'))
      throw new UsageError(`${option} takes text: give the file as file://${word.slice('fileb://'.length)}.`);
    const text = textOf(option, word);
    if (field.kind === 'map') return stringsOf(option, '', objectOf(option, text, 'name=value,other=value'));
    if (field.message)
      return this.members(field.message, objectOf(option, text, 'Name=value,Other=value'), '');
    return this.#scalar(field, text, '');
  }

  /** A value of JSON or shorthand. @param path of it in the option's value, for messages */
  tree(field: FieldShape, tree: Tree, path = ''): unknown {
    if (field.repeated) {
      // As the AWS CLI does: one value stands for a list of one.
      const items = Array.isArray(tree) ? tree : [tree];
      return items.map((item, index) => this.#item(field, item, `${path}[${index}]`));
    }
    return this.#item(field, tree, path);
  }

  /** The members of a structure by AWS's names. */
  members(shape: MessageShape, tree: Tree, path: string): Record<string, unknown> {
    if (typeof tree !== 'object' || tree === null || Array.isArray(tree))
      throw this.#wrong(path, 'an object');
    const message: Record<string, unknown> = {};
    const fields = namedFields(shape);
    for (const [name, value] of Object.entries(tree)) {
      const field = fields.find(({ awsName }) => awsName === name)?.field;
      if (!field) {
        const names = fields.map(({ awsName }) => awsName).join(', ');
        throw new UsageError(`${this.option}${path} has no member '${name}'; its members are: ${names}.`);
      }
      if (value !== null) message[field.name] = this.tree(field, value, `${path}.${name}`);
    }
    return message;
  }

  #item(field: FieldShape, tree: Tree, path: string): unknown {
    if (field.kind === 'map') return stringsOf(this.option, path, tree);
    if (field.message) return this.members(field.message, tree, path);
    return this.#scalar(field, tree, path);
  }

  #scalar(field: FieldShape, value: Tree, path: string): unknown {
    switch (field.kind) {
      case 'bytes':
        if (typeof value !== 'string') throw this.#wrong(path, 'base64');
        return this.#blob(value);
      case 'number':
        if (typeof value === 'number' && Number.isInteger(value)) return value;
        if (typeof value === 'string' && /^\s*-?[0-9]+\s*$/.test(value)) return Number(value);
        throw this.#wrong(path, 'a whole number', value);
      case 'timestamp': {
        const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
        const seconds = /^[0-9.]+$/.test(text) ? Number(text) : Date.parse(text) / 1000;
        if (Number.isFinite(seconds)) return seconds;
        throw this.#wrong(path, 'a time such as 2027-01-31T12:00:00Z, or seconds since 1970');
      }
      case 'enum':
        if (typeof value === 'string' && field.numbers?.has(value)) return value;
        throw this.#wrong(path, `one of: ${[...(field.numbers?.keys() ?? [])].join(', ')}`, value);
      case 'boolean':
        if (typeof value === 'boolean') return value;
        if (value === 'true' || value === 'false') return value === 'true';
        throw this.#wrong(path, 'true or false', value);
      case 'string':
      case 'map':
      case 'message':
        if (typeof value === 'string') return value;
        throw this.#wrong(path, 'a string');
    }
  }

  #blobWord(word: string): Buffer {
    if (word.startsWith('fileb://')) return readFile(this.option, word.slice('fileb://'.length));
    if (word.startsWith('file://') && this.binaryFormat === 'raw-in-base64-out')
      return readFile(this.option, word.slice('file://'.length));
    return this.#blob(textOf(this.option, word));
  }

  /** Base64, which may be broken into lines, as programs write it. */
  #blob(text: string): Buffer {
    if (this.binaryFormat === 'raw-in-base64-out') return Buffer.from(text, 'utf8');
    const word = text.replace(/\s+/g, '');
    const bytes = Buffer.from(word, 'base64');
    if (bytes.toString('base64') === word) return bytes;
    throw new UsageError(
      // What was given may be a plaintext: it is not repeated.
      `${this.option} takes base64, or a file as fileb://path; what was given is neither. A file of base64 is file://path; ` +
        'text as it is takes --cli-binary-format raw-in-base64-out.',
    );
  }

  #wrong(path: string, wanted: string, value?: Tree): UsageError {
    const given = typeof value === 'object' || value === undefined ? '' : `, not '${String(value)}'`;
    return new UsageError(`${this.option}${path} takes ${wanted}${given}.`);
  }
}

/** A JSON object, or shorthand. */
function objectOf(option: string, text: string, example: string): Tree {
  if (/^\s*[{[]/.test(text)) return parseJson(option, text);
  try {
    return parseShorthand(text);
  } catch (error) {
    if (!(error instanceof ShorthandError)) throw error;
    throw new UsageError(
      `${option} takes pairs such as ${example}; ${error.message}. Put quotes around values with commas or quotes, or give JSON.`,
    );
  }
}

function stringsOf(option: string, path: string, tree: Tree): StringMap {
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree))
    throw new UsageError(`${option}${path} takes {name=value,other=value}, or a JSON object.`);
  const map = Object.create(null) as StringMap;
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value !== 'string')
      throw new UsageError(
        `${option}${path}: the value of '${key}' must be one string; put quotes around one with commas.`,
      );
    map[key] = value;
  }
  return map;
}

/** A file, by a path that may begin with ~ and name variables, as the AWS CLI takes it. */
function readFile(option: string, path: string): Buffer {
  const place = path
    .replace(/^~(?=\/|$)/, homedir())
    .replace(/\$(?:(\w+)|\{([^}]*)\})/g, (all, plain: string | undefined, braced: string | undefined) => {
      return process.env[plain ?? braced ?? ''] ?? all;
    });
  try {
    return readFileSync(place);
  } catch (error) {
    throw new UsageError(
      `${option}: ${place} cannot be read (${(error as NodeJS.ErrnoException).code ?? ''}).`,
    );
  }
}
