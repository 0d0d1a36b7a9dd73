// One command for each operation of the schema: its name in kebab case, the request's fields as options.
import { type Command, Option } from 'commander';
import {
  type FieldShape,
  type OperationShape,
  operationShapes,
  type Service,
} from '../../proto/schema/descriptor.js';
import { type Format, formats, render, toAwsNames } from './output.js';
import { hasPages, type Listed, type Message, type PageOptions, readPages } from './pages.js';
import { withClient } from './session.js';
import type { Tree } from './shorthand.js';
import { type BinaryFormat, kebab, parseJson, readRequest, readValue, textOf, UsageError } from './values.js';

/** Names beside those of the operations. */
const shorterNames: Readonly<Partial<Record<string, string>>> = { AdoptKey: 'adopt' };

/** Adds `keyhold encrypt`, `keyhold create-key` and so on. */
export function addOperationCommands(program: Command): void {
  for (const shape of operationShapes) {
    if (shape.name === 'SeedKey') continue; // keyhold seed: key material has no place among a command's arguments.
    const command = program
      .command(kebab(shape.field))
      .description(`The operation ${shape.name} of ${serviceNames[shape.service]}.`);
    const shorter = shorterNames[shape.name];
    if (shorter) command.alias(shorter);
    for (const field of shape.request.fields)
      for (const option of optionsOf(field)) command.addOption(option);
    command.addOption(new Option('--output <format>', 'how to print').choices(formats).default('json'));
    command.option('--query <expression>', 'a JMESPath expression that picks what to print');
    for (const option of inputOptions()) command.addOption(option);
    if (hasPages(shape)) for (const option of pageOptions()) command.addOption(option);
    command.action((options: OperationOptions) => run(shape, options));
  }
}

interface OperationOptions extends PageOptions, Readonly<Record<string, unknown>> {
  readonly output: Format;
  readonly query?: string;
  readonly cliInputJson?: string;
  readonly cliInputYaml?: string;
  readonly generateCliSkeleton?: string | true;
  readonly cliBinaryFormat?: BinaryFormat;
}

function inputOptions(): Option[] {
  return [
    new Option('--cli-input-json <json>', "the request as JSON with AWS's names; other options go before it"),
    new Option('--cli-input-yaml <yaml>', 'the same in YAML'),
    new Option('--generate-cli-skeleton [form]', 'prints a request to fill in, and sends nothing').choices([
      'input',
      'output',
      'yaml-input',
    ]),
  ];
}

function pageOptions(): Option[] {
  return [
    new Option('--max-items <number>', 'how many items are shown; NextToken is for the rest'),
    new Option('--page-size <number>', 'items a request'),
    new Option('--starting-token <token>', 'NextToken of an earlier list'),
    new Option('--no-paginate', 'one request alone'),
  ];
}

async function run(shape: OperationShape, options: OperationOptions): Promise<void> {
  const { output, query, generateCliSkeleton: skeleton } = options;
  if (skeleton !== undefined) {
    const { skeletonOf } = await import('./skeleton.js');
    const message = skeletonOf(skeleton === 'output' ? shape.response : shape.request);
    process.stdout.write(await render(message, skeleton === 'yaml-input' ? 'yaml' : 'json', undefined));
    return;
  }
  const request = await requestOf(shape, options);
  await withClient(async (client) => {
    const methods = client as unknown as Record<string, (request: Message) => Promise<Message>>;
    const invoke = (page: Message) => methods[shape.field]!(page);
    const { response, nextToken }: Listed = hasPages(shape)
      ? await readPages(shape, request, options, invoke)
      : { response: await invoke(request) };
    const named = toAwsNames(shape.response, response);
    // The AWS CLI gives it a line of its own in text.
    if (nextToken !== undefined)
      named.NextToken = output === 'text' && query === undefined ? { NextToken: nextToken } : nextToken;
    process.stdout.write(await render(named, output, query));
  }, shape.name);
}

const serviceNames: Readonly<Record<Service, string>> = {
  kms: 'AWS KMS',
  sts: 'AWS STS',
  keyhold: 'Keyhold',
};

function optionsOf(field: FieldShape): Option[] {
  const flag = `--${kebab(field.name)}`;
  if (field.kind === 'boolean') return [new Option(flag), new Option(`--no-${kebab(field.name)}`)];
  const what = [field.required ? 'required' : '', description(field)]
    .filter((each) => each !== '')
    .join('; ');
  return [new Option(`${flag} <${field.repeated ? 'value...' : 'value'}>`, what)];
}

function description(field: FieldShape): string {
  const what: Readonly<Partial<Record<FieldShape['kind'], string>>> = {
    bytes: 'base64, or a file as fileb://path, or one of base64 as file://path',
    enum: [...(field.numbers?.keys() ?? [])].join(', '),
    map: 'name=value,other=value, or JSON',
    message: 'Name=value,Other=value, or JSON',
    timestamp: 'a time such as 2027-01-31T12:00:00Z',
  };
  return what[field.kind] ?? '';
}

/** The request that options say. @throws UsageError */
async function requestOf(shape: OperationShape, options: OperationOptions): Promise<Message> {
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

/** What --cli-input-json or --cli-input-yaml gives. @throws UsageError */
async function inputOf(shape: OperationShape, options: OperationOptions): Promise<Message> {
  const { cliInputJson, cliInputYaml, cliBinaryFormat = 'base64' } = options;
  if (cliInputJson !== undefined && cliInputYaml !== undefined)
    throw new UsageError('--cli-input-json and --cli-input-yaml do not go together.');
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

/** Under which name commander keeps the option's value. */
function optionKey(field: FieldShape): string {
  return kebab(field.name).replace(/-([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}
