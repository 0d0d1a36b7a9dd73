// Prints responses like the AWS CLI v2, and in a readable format on a terminal.
import { type Command, Option } from 'commander';
import { search } from '@jmespath-community/jmespath';
import { type Json, toAwsJson } from '../../../proto/aws/json.js';
import { type MessageShape, type OperationName, shapeByName } from '../../../proto/schema/descriptor.js';
import { UsageError } from '../input/values.js';
import { readableText } from './readable.js';
import { standardScreen } from './style.js';

/** The formats of the AWS CLI, and `readable`, which is for people. */
export const formats = ['json', 'yaml', 'text', 'table', 'readable', 'yaml-stream', 'off'] as const;
/** An output format. */
export type Format = (typeof formats)[number];

/** The output options of a command. */
export interface OutputOptions {
  /** {@link formatOf} chooses the default. */
  readonly output?: Format;
  /** A JMESPath expression. */
  readonly query?: string;
}

/** Adds the options of OutputOptions to a command. @returns the command */
export function addOutputOptions(command: Command): Command {
  return command
    .addOption(outputOption())
    .option('--query <expression>', 'a JMESPath expression that selects what to print');
}

/** Makes the option --output. */
export function outputOption(): Option {
  const text =
    'how to print; AWS_DEFAULT_OUTPUT if not given, else readable on a terminal and json elsewhere';
  return new Option('--output <format>', text).choices(formats);
}

/**
 * Returns the output format: --output, or AWS_DEFAULT_OUTPUT like in the AWS CLI, or else `readable` on a terminal and
 * `json` elsewhere.
 * @throws UsageError if the variable has another value
 */
export function formatOf({ output }: OutputOptions): Format {
  if (output !== undefined) return output;
  const { AWS_DEFAULT_OUTPUT: wanted } = process.env;
  if (!wanted) return process.stdout.isTTY ? 'readable' : 'json';
  const known = formats.find((format) => format === wanted);
  if (known) return known;
  throw new UsageError(`AWS_DEFAULT_OUTPUT is '${wanted}', which is none of: ${formats.join(', ')}.`);
}

/** Prints the response of an operation. @throws UsageError for an expression that is not JMESPath */
export async function printResponse(
  operation: OperationName,
  response: object,
  options: OutputOptions,
): Promise<void> {
  const { response: shape } = shapeByName.get(operation)!;
  await print(toAwsNames(shape, response as Readonly<Record<string, unknown>>), options);
}

/**
 * Prints a response in the chosen format.
 * @param response the response with AWS's names
 * @param readable makes its text for people; made of the response if not given
 * @throws UsageError for an expression that is not JMESPath
 */
export async function print(
  response: Record<string, Json>,
  options: OutputOptions,
  readable?: () => string,
): Promise<void> {
  const { query } = options;
  const format = formatOf(options);
  const isReadable = format === 'readable' && query === undefined && readable !== undefined;
  process.stdout.write(isReadable ? readable() : await render(response, format, query));
}

/** Converts a message to AWS's names, with base64 for bytes and ISO 8601 for times. */
export function toAwsNames(
  shape: MessageShape,
  message: Readonly<Record<string, unknown>>,
): Record<string, Json> {
  return toAwsJson(shape, message, isoTime);
}

/**
 * Returns the text of a response.
 * @param query a JMESPath expression
 * @returns '' if there is nothing to print
 * @throws UsageError for an expression that is not JMESPath
 */
export async function render(
  response: Record<string, Json>,
  format: Format,
  query: string | undefined,
): Promise<string> {
  let value: Json = response;
  if (query !== undefined) {
    try {
      value = search(response, query) ?? null;
    } catch (error) {
      throw new UsageError(
        `--query: ${error instanceof Error ? error.message : 'not a JMESPath expression'}`,
      );
    }
  } else if (Object.keys(response).length === 0) {
    return '';
  }
  return renderers[format](value);
}

const renderers: Readonly<Record<Format, (value: Json) => string | Promise<string>>> = {
  json: (value) => `${JSON.stringify(value, null, 4)}\n`,
  text: (value) => textLines(value, undefined).join(''),
  table: (value) => tableText(value),
  readable: (value) => readableText(value, standardScreen()),
  yaml: (value) => yamlText(value),
  'yaml-stream': (value) => yamlText([value]),
  off: () => '',
};

// The library is loaded on demand, since it would slow down every command.
async function yamlText(value: Json): Promise<string> {
  const { stringify } = await import('yaml');
  return stringify(value, { lineWidth: 0 });
}

/** Formats a time like the AWS CLI: `2027-01-31T12:00:00.123000+00:00`. @param seconds epoch seconds */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('Z', '000+00:00');
}

function isScalar(value: Json): value is string | number | boolean | null {
  return value === null || typeof value !== 'object';
}

// The AWS CLI prints Python's words.
function scalarText(value: string | number | boolean | null): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return String(value);
}

/** Puts the scalars of an object on one line, tab-separated in the order of their names, and nested values on others. */
function textLines(value: Json, name: string | undefined): string[] {
  const line = (words: string[]) => `${(name === undefined ? words : [name, ...words]).join('\t')}\n`;
  if (isScalar(value)) return [line([scalarText(value)])];
  if (Array.isArray(value)) {
    if (value.every(isScalar)) return value.length === 0 ? [] : [line(value.map(scalarText))];
    return value.flatMap((item) => textLines(item, name));
  }
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  const scalars = entries.flatMap(([, item]) => (isScalar(item) ? [scalarText(item)] : []));
  const nested = entries.filter(([, item]) => !isScalar(item));
  return [
    ...(scalars.length > 0 ? [line(scalars)] : []),
    ...nested.flatMap(([key, item]) => textLines(item, key.toUpperCase())),
  ];
}

/** Draws a table: a list of objects has a column for each name, an object a row for each member. */
function tableText(value: Json): string {
  if (isScalar(value)) return `${scalarText(value)}\n`;
  if (Array.isArray(value)) {
    const objects = value.filter((item) => !isScalar(item) && !Array.isArray(item)) as Record<string, Json>[];
    if (objects.length === 0) return grid(value.map((item) => [cell(item)]));
    const names = [...new Set(objects.flatMap((item) => Object.keys(item)))];
    return grid([names, ...objects.map((item) => names.map((each) => cell(item[each] ?? '')))]);
  }
  const entries = Object.entries(value);
  const flat = entries.filter(([, item]) => isScalar(item));
  const nested = entries.filter(([, item]) => !isScalar(item));
  const own = flat.length > 0 ? grid(flat.map(([key, item]) => [key, cell(item)])) : '';
  return own + nested.map(([key, item]) => `${key}\n${tableText(item)}`).join('');
}

function cell(value: Json): string {
  return isScalar(value) ? scalarText(value) : JSON.stringify(value);
}

function grid(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_cell, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+\n`;
  const lines = rows.map(
    (row) => `|${row.map((text, column) => ` ${text.padEnd(widths[column] ?? 0)} `).join('|')}|\n`,
  );
  return rule + lines.join('') + rule;
}
