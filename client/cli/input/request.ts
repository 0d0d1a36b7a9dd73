// Builds the request of an operation from the options of its command.
import type { FieldShape, OperationShape } from '../../../proto/schema/descriptor.js';
import type { Message } from '../pages.js';
import type { Tree } from './shorthand.js';
import { type BinaryFormat, kebab, parseJson, readRequest, readValue, textOf, UsageError } from './values.js';

/** The options of which a request is made, besides those of its fields. */
export interface InputOptions extends Readonly<Record<string, unknown>> {
  readonly cliInputJson?: string;
  readonly cliInputYaml?: string;
  readonly cliBinaryFormat?: BinaryFormat;
}

/** Builds the request from the options. @throws UsageError */
export async function requestOf(shape: OperationShape, options: InputOptions): Promise<Message> {
  const { cliBinaryFormat } = options;
  const request = await inputOf(shape, options);
  for (const field of shape.request.fields) {
    const value = options[optionKey(field)];
    if (value === undefined) continue;
    request[field.name] =
      typeof value === 'boolean'
        ? value
        : readValue(field, Array.isArray(value) ? (value as string[]) : [value as string], cliBinaryFormat);
  }
  const names = shape.request.fields
    .filter(({ required, name }) => required && request[name] === undefined)
    .map(({ name }) => `--${kebab(name)}`);
  if (names.length > 0)
    throw new UsageError(`required option${names.length > 1 ? 's' : ''} ${names.join(', ')} not given.`);
  return request;
}

/** Reads the request of --cli-input-json or --cli-input-yaml; an empty one without them. @throws UsageError */
async function inputOf(shape: OperationShape, options: InputOptions): Promise<Message> {
  const { cliInputJson, cliInputYaml, cliBinaryFormat = 'base64' } = options;
  if (cliInputJson !== undefined && cliInputYaml !== undefined)
    throw new UsageError('--cli-input-json and --cli-input-yaml cannot be combined.');
  if (cliInputJson !== undefined) {
    const json = parseJson('--cli-input-json', textOf('--cli-input-json', cliInputJson));
    return readRequest(shape.request, '--cli-input-json', json, cliBinaryFormat);
  }
  if (cliInputYaml === undefined) return {};
  const { parse } = await import('yaml');
  let tree: Tree;
  try {
    tree = parse(textOf('--cli-input-yaml', cliInputYaml)) as Tree;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError('--cli-input-yaml: this is not YAML.');
  }
  return readRequest(shape.request, '--cli-input-yaml', tree, cliBinaryFormat);
}

/** Returns the name under which commander stores the option's value. */
function optionKey(field: FieldShape): string {
  return kebab(field.name).replace(/-([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}
