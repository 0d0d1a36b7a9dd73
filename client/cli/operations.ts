// One command for each operation of the schema: its name in kebab case, the request's fields as options.
import { type Command, Option } from 'commander';
import {
  type FieldShape,
  type OperationShape,
  operationShapes,
  type Service,
} from '../../proto/descriptor.js';
import type { Client } from '../client.js';
import { type Format, formats, render, toAwsNames } from './output.js';
import { withClient } from './session.js';
import { kebab, readValue, UsageError } from './values.js';

type Message = Record<string, unknown>;

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
    command.action(async (options: Record<string, unknown>) => {
      const { output, query, ...given } = options;
      const request = readRequest(shape, given);
      await withClient(async (client) => {
        const response = await call(client, shape, request);
        process.stdout.write(
          render(toAwsNames(shape.response, response), output as Format, query as string | undefined),
        );
      }, shape.name);
    });
  }
}

const serviceNames: Readonly<Record<Service, string>> = {
  kms: 'AWS KMS',
  sts: 'AWS STS',
  keyhold: 'Keyhold',
};

function optionsOf(field: FieldShape): Option[] {
  const flag = `--${kebab(field.name)}`;
  if (field.kind === 'boolean') return [new Option(flag), new Option(`--no-${kebab(field.name)}`)];
  const option = new Option(`${flag} <${field.repeated ? 'value...' : 'value'}>`, description(field));
  if (field.required) option.makeOptionMandatory();
  return [option];
}

function description(field: FieldShape): string {
  const what: Readonly<Partial<Record<FieldShape['kind'], string>>> = {
    bytes: 'base64, or a file as fileb://path',
    enum: [...(field.numbers?.keys() ?? [])].join(', '),
    map: 'name=value,other=value, or JSON',
    message: 'Name=value,Other=value, or JSON',
    timestamp: 'a time such as 2027-01-31T12:00:00Z',
  };
  return what[field.kind] ?? '';
}

/** The request that options say. @throws UsageError */
function readRequest(shape: OperationShape, options: Readonly<Record<string, unknown>>): Message {
  const request: Message = {};
  for (const field of shape.request.fields) {
    const value = options[optionKey(field)];
    if (value === undefined) continue;
    request[field.name] =
      typeof value === 'boolean'
        ? value
        : readValue(field, Array.isArray(value) ? (value as string[]) : [value as string]);
  }
  return request;
}

/** Under which name commander keeps the option's value. */
function optionKey(field: FieldShape): string {
  return kebab(field.name).replace(/-([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());
}

/** Calls the operation; a list without --limit and --marker is read to its end, as the AWS CLI does. */
async function call(client: Client, shape: OperationShape, request: Message): Promise<Message> {
  const methods = client as unknown as Record<string, (request: Message) => Promise<Message>>;
  const invoke = (page: Message) => methods[shape.field]!(page);
  const pages =
    shape.request.byName.has('marker') && request.limit === undefined && request.marker === undefined;
  if (!pages) return invoke(request);
  const list = shape.response.fields.find((field) => field.repeated);
  if (!list) throw new UsageError(`${shape.name} has no list.`);
  const items: unknown[] = [];
  let marker: unknown;
  do {
    const response = await invoke(marker === undefined ? request : { ...request, marker });
    items.push(...((response[list.name] as unknown[] | undefined) ?? []));
    marker = response.truncated === true ? response.nextMarker : undefined;
  } while (marker !== undefined);
  return { [list.name]: items };
}
