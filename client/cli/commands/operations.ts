// One command for each operation of the schema: its name in kebab case, the request's fields as options.
import { type Command, Option } from 'commander';
import { namedFields } from '../../../proto/aws/names.js';
import { operationTexts } from '../../../proto/generated/texts.js';
import { type FieldShape, type OperationShape, operationShapes } from '../../../proto/schema/descriptor.js';
import {
  addOutputOptions,
  formatOf,
  type OutputOptions,
  print,
  render,
  toAwsNames,
} from '../output/output.js';
import { hasPages, type Listed, type Message, type PageOptions, readPages } from '../pages.js';
import { headingOf } from '../help/operation-groups.js';
import { optionText } from '../help/option-texts.js';
import { requiredHeading } from '../help/headings.js';
import { asksFirst, confirm, yesOption } from '../confirmation.js';
import { withClient } from '../session.js';
import { type InputOptions, requestOf } from '../input/request.js';
import { blobText, kebab } from '../input/values.js';

/** Shorter names for commands. */
const shorterNames: Readonly<Partial<Record<string, string>>> = { AdoptKey: 'adopt' };

/** Adds `keyhold encrypt`, `keyhold create-key` and so on. */
export function addOperationCommands(program: Command): void {
  for (const shape of operationShapes) {
    if (shape.name === 'SeedKey') continue; // Only as keyhold seed: key material must not be a command-line argument.
    const command = program
      .command(kebab(shape.field))
      .description(operationTexts[shape.name])
      .helpGroup(headingOf(shape.name));
    const shorter = shorterNames[shape.name];
    if (shorter) command.alias(shorter);
    for (const field of shape.request.fields)
      for (const option of optionsOf(shape, field)) command.addOption(option);
    addOutputOptions(command);
    for (const option of inputOptions()) command.addOption(option);
    if (hasPages(shape)) for (const option of pageOptions()) command.addOption(option);
    if (asksFirst(shape.name)) command.addOption(yesOption());
    command.action((options: OperationOptions) => run(shape, options));
  }
}

interface OperationOptions extends OutputOptions, PageOptions, InputOptions {
  readonly generateCliSkeleton?: string | true;
}

function inputOptions(): Option[] {
  return [
    new Option(
      '--cli-input-json <json>',
      "the request as JSON with AWS's names; other options take precedence",
    ),
    new Option('--cli-input-yaml <yaml>', 'the request as YAML'),
    new Option('--generate-cli-skeleton [form]', 'print a request to fill in, and send nothing').choices([
      'input',
      'output',
      'yaml-input',
    ]),
  ];
}

function pageOptions(): Option[] {
  return [
    new Option('--max-items <number>', 'the most items to show; NextToken then leads to the rest'),
    new Option('--page-size <number>', 'the most items of one request'),
    new Option('--starting-token <token>', 'NextToken of an earlier list'),
    new Option('--no-paginate', 'make one request only'),
  ];
}

async function run(shape: OperationShape, options: OperationOptions): Promise<void> {
  const { query, generateCliSkeleton: skeleton } = options;
  if (skeleton !== undefined) {
    const { skeletonOf } = await import('../input/skeleton.js');
    const message = skeletonOf(skeleton === 'output' ? shape.response : shape.request);
    process.stdout.write(await render(message, skeleton === 'yaml-input' ? 'yaml' : 'json', undefined));
    return;
  }
  const request = await requestOf(shape, options);
  await withClient(async (client) => {
    const methods = client as unknown as Record<string, (request: Message) => Promise<Message>>;
    await confirm(client, shape.name, request, options.yes === true);
    const invoke = (page: Message) => methods[shape.field]!(page);
    const { response, nextToken }: Listed = hasPages(shape)
      ? await readPages(shape, request, options, invoke)
      : { response: await invoke(request) };
    const named = toAwsNames(shape.response, response);
    // The AWS CLI prints it on a line of its own in the text format.
    if (nextToken !== undefined)
      named.NextToken =
        formatOf(options) === 'text' && query === undefined ? { NextToken: nextToken } : nextToken;
    await print(named, options);
  }, shape.name);
}

function optionsOf({ name: operation }: OperationShape, field: FieldShape): Option[] {
  const flag = `--${kebab(field.name)}`;
  const text = optionText(operation, field.name);
  if (field.kind === 'boolean')
    return [new Option(flag, text), new Option(`--no-${kebab(field.name)}`).hideHelp()];
  const sentence = [text, valueText(field)].filter((each) => each !== '').join('; ');
  const option = new Option(`${flag} <${field.repeated ? 'value...' : 'value'}>`, sentence);
  if (field.required) option.helpGroup(requiredHeading);
  // Only for help and completion: readValue checks the values, including those of lists and files.
  if (field.numbers) option.argChoices = [...field.numbers.keys()];
  return [option];
}

/** Describes the syntax of an option's value. */
function valueText(field: FieldShape): string {
  const texts: Readonly<Partial<Record<FieldShape['kind'], string>>> = {
    bytes: blobText,
    map: 'name=value,other=value, or JSON',
    message: `${membersOf(field)}, or JSON`,
    timestamp: 'a time such as 2027-01-31T12:00:00Z',
  };
  return texts[field.kind] ?? '';
}

/** Returns the members of a structure in shorthand, such as `TagKey=...,TagValue=...`. */
function membersOf({ message }: FieldShape): string {
  return message
    ? namedFields(message)
        .map(({ awsName }) => `${awsName}=...`)
        .join(',')
    : '';
}
