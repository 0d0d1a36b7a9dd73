// Converts words of a command line to fields of a request, like the AWS CLI v2.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { namedFields } from '../../../proto/aws/names.js';
import type { FieldShape, MessageShape } from '../../../proto/schema/descriptor.js';
import type { StringMap } from '../../../proto/generated/messages.js';
import { hasDuplicateMember } from '../../../proto/json-members.js';
import { booleanOf, timeOf, wholeNumberOf } from './scalars.js';
import { suggestion } from './suggest.js';
import { parseShorthand, ShorthandError, type Tree } from './shorthand.js';

/** The command line is invalid. Exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Formats of blobs in options and JSON, with the AWS CLI's names. */
export const binaryFormats = ['base64', 'raw-in-base64-out'] as const;
/** The format of blobs. */
export type BinaryFormat = (typeof binaryFormats)[number];

/** The description of blobs in help. */
export const blobText = 'base64, or a file as fileb://path (bytes) or file://path (base64)';

/** Converts camelCase to kebab case: `keyId` → `key-id`. */
export function kebab(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
}

/**
 * Reads a field's value from the words given for its option.
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
 * Reads a request from JSON with AWS's names.
 * @param option the option's name, for error messages
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

/** Reads the text of an option, which may be in a file: `file://path`. @throws UsageError */
export function textOf(option: string, word: string): string {
  if (!word.startsWith('file://')) {
    // Node.js puts this character in the place of bytes that are not UTF-8.
    if (word.includes('\ufffd')) throw new UsageError(`${option} is not text in UTF-8.`);
    return word;
  }
  const path = word.slice('file://'.length);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFile(option, path));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${option}: ${path} is not text in UTF-8; give bytes as fileb://${path}.`);
  }
}

/** Parses JSON. @param option the option's name, for error messages @throws UsageError, also for duplicate members */
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

/** Reads `a=b,c=d`, a JSON object of strings, or a file with either. @throws UsageError */
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

  /** Reads a word of the command line. */
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

  /** Reads a value of JSON or shorthand. @param path its path in the option's value, for error messages */
  tree(field: FieldShape, tree: Tree, path = ''): unknown {
    if (field.repeated) {
      // Like in the AWS CLI, a single value is a list of one.
      const items = Array.isArray(tree) ? tree : [tree];
      return items.map((item, index) => this.#item(field, item, `${path}[${index}]`));
    }
    return this.#item(field, tree, path);
  }

  /** Reads the members of a structure, by AWS's names. */
  members(shape: MessageShape, tree: Tree, path: string): Record<string, unknown> {
    if (typeof tree !== 'object' || tree === null || Array.isArray(tree))
      throw this.#wrong(path, 'an object');
    const message: Record<string, unknown> = {};
    const fields = namedFields(shape);
    for (const [name, value] of Object.entries(tree)) {
      const field = fields.find(({ awsName }) => awsName === name)?.field;
      if (!field) {
        const names = fields.map(({ awsName }) => awsName);
        throw new UsageError(
          `${this.option}${path} has no member '${name}'; its members are: ${names.join(', ')}.${suggestion(name, names)}`,
        );
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
      case 'number': {
        const number = wholeNumberOf(value);
        if (number !== undefined) return number;
        throw this.#wrong(path, 'a whole number', value);
      }
      case 'timestamp': {
        const seconds = timeOf(value);
        if (typeof seconds === 'number') return seconds;
        throw new UsageError(`${this.option}${path} ${seconds}.`);
      }
      case 'enum': {
        if (typeof value === 'string' && field.numbers?.has(value)) return value;
        const names = [...(field.numbers?.keys() ?? [])];
        const meant = typeof value === 'string' ? suggestion(value, names) : '';
        throw this.#wrong(path, `one of: ${names.join(', ')}`, value, meant);
      }
      case 'boolean': {
        const isTrue = booleanOf(value);
        if (isTrue !== undefined) return isTrue;
        throw this.#wrong(path, 'true or false', value);
      }
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

  /** Decodes base64, which may contain line breaks. */
  #blob(text: string): Buffer {
    if (this.binaryFormat === 'raw-in-base64-out') return Buffer.from(text, 'utf8');
    const word = text.replace(/\s+/g, '');
    const bytes = Buffer.from(word, 'base64');
    if (bytes.toString('base64') === word) return bytes;
    throw new UsageError(
      // The value is not quoted, since it may be a plaintext.
      `${this.option} takes base64, or a file as fileb://path; what was given is neither. A file of base64 is file://path; ` +
        'text as it is takes --cli-binary-format raw-in-base64-out.',
    );
  }

  #wrong(path: string, wanted: string, value?: Tree, meant = ''): UsageError {
    const given = typeof value === 'object' || value === undefined ? '' : `, not '${String(value)}'`;
    return new UsageError(`${this.option}${path} takes ${wanted}${given}.${meant}`);
  }
}

/** Parses a JSON object or shorthand. @throws UsageError */
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

/** Reads a file. Like in the AWS CLI, the path may begin with ~ and contain environment variables. @throws UsageError */
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
