// Between the words of a command line and the fields of a request, as the AWS CLI v2 has it.
import { readFileSync } from 'node:fs';
import { namedFields } from '../../proto/aws-names.js';
import type { FieldShape, MessageShape } from '../../proto/descriptor.js';
import type { StringMap } from '../../proto/generated/messages.js';

/** A command line that cannot be understood; exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** `keyId` → `key-id` */
export function kebab(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
}

/**
 * A field's value from the words given for its option.
 * @param words one, or several for a list
 * @throws UsageError
 */
export function readValue(field: FieldShape, words: readonly string[]): unknown {
  const option = `--${kebab(field.name)}`;
  if (field.repeated) {
    const [first = ''] = words;
    if (words.length === 1 && first.startsWith('[')) return readJsonList(field, option, first);
    if (field.message) return words.map((word) => readStructure(field.message!, option, word));
    return words.map((word) => readScalar(field, option, word));
  }
  const [word = ''] = words;
  if (field.kind === 'map') return readMap(option, word);
  if (field.message) return readStructure(field.message, option, word);
  return readScalar(field, option, word);
}

function readScalar(field: FieldShape, option: string, word: string): unknown {
  switch (field.kind) {
    case 'bytes':
      return readBlob(option, word);
    case 'number':
      if (/^-?[0-9]+$/.test(word)) return Number(word);
      throw new UsageError(`${option} takes a whole number, not '${word}'.`);
    case 'timestamp': {
      const seconds = /^[0-9.]+$/.test(word) ? Number(word) : Date.parse(word) / 1000;
      if (Number.isFinite(seconds)) return seconds;
      throw new UsageError(`${option} takes a time such as 2027-01-31T12:00:00Z, or seconds since 1970.`);
    }
    case 'enum':
      if (field.numbers?.has(word)) return word;
      throw new UsageError(
        `${option} takes one of: ${[...(field.numbers?.keys() ?? [])].join(', ')}; not '${word}'.`,
      );
    case 'boolean':
    case 'string':
    case 'map':
    case 'message':
      return word.startsWith('file://') ? readFile(option, word.slice('file://'.length)).toString() : word;
  }
}

/** Base64, or the bytes of a file as `fileb://path`. */
function readBlob(option: string, word: string): Buffer {
  if (word.startsWith('fileb://')) return readFile(option, word.slice('fileb://'.length));
  if (word.startsWith('file://')) {
    throw new UsageError(`${option} takes bytes: give the file as fileb://${word.slice('file://'.length)}.`);
  }
  const bytes = Buffer.from(word, 'base64');
  const isBase64 = /^[A-Za-z0-9+/]*={0,2}$/.test(word) && bytes.toString('base64') === word;
  if (isBase64) return bytes;
  throw new UsageError(
    // What was given may be a plaintext: it is not repeated.
    `${option} takes base64, or a file as fileb://path; what was given is neither.`,
  );
}

function readFile(option: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new UsageError(
      `${option}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? ''}).`,
    );
  }
}

/** `a=b,c=d`, or a JSON object of strings. */
export function readMap(option: string, word: string): StringMap {
  const map = Object.create(null) as StringMap;
  const put = (key: string, value: string) => {
    if (key in map) throw new UsageError(`${option} has the key '${key}' twice.`);
    map[key] = value;
  };
  if (word.startsWith('{')) {
    for (const [key, value] of Object.entries(readJson(option, word) as object)) {
      if (typeof value !== 'string')
        throw new UsageError(`${option}: the value of '${key}' must be a string.`);
      put(key, value);
    }
    return map;
  }
  for (const pair of word.split(',')) {
    const mark = pair.indexOf('=');
    if (mark < 1)
      throw new UsageError(`${option} takes pairs such as name=value,other=value; '${pair}' is none.`);
    put(pair.slice(0, mark), pair.slice(mark + 1));
  }
  return map;
}

/** `TagKey=a,TagValue=b` or `EncryptionContextSubset={a=b,c=d}`, or a JSON object. */
function readStructure(shape: MessageShape, option: string, word: string): unknown {
  if (word.startsWith('{')) return fromAwsNames(shape, option, readJson(option, word) as object);
  const [, name = '', map] = /^([A-Za-z]+)=\{(.*)\}$/.exec(word) ?? [];
  const given = map === undefined ? readMap(option, word) : { [name]: readMap(`${option}: ${name}`, map) };
  return fromAwsNames(shape, option, given);
}

function readJsonList(field: FieldShape, option: string, word: string): unknown {
  const items = readJson(option, word) as unknown[];
  return items.map((item) => {
    if (field.message) return fromAwsNames(field.message, option, item as object);
    if (typeof item !== 'string') throw new UsageError(`${option} takes a list of strings.`);
    return readScalar(field, option, item);
  });
}

function fromAwsNames(shape: MessageShape, option: string, given: object): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given) as [string, unknown][]) {
    const field = namedFields(shape).find(({ awsName }) => awsName === name)?.field;
    if (!field) {
      const names = namedFields(shape)
        .map(({ awsName }) => awsName)
        .join(', ');
      throw new UsageError(`${option} has no member '${name}'; its members are: ${names}.`);
    }
    if (field.kind === 'map' && typeof value !== 'object')
      throw new UsageError(`${option} takes ${name}={name=value,other=value}.`);
    message[field.name] = typeof value === 'string' ? readScalar(field, option, value) : value;
  }
  return message;
}

function readJson(option: string, word: string): unknown {
  try {
    return JSON.parse(word);
  } catch {
    throw new UsageError(`${option}: this is not JSON.`);
  }
}
