// keyhold policy explain.
import { type Command, Option } from 'commander';
import { shapeByName } from '../../proto/schema/descriptor.js';
import type { ContextEntry } from '../../proto/generated/messages.js';
import { type Format, formats, render, toAwsNames } from './output.js';
import { withClient } from './session.js';
import { UsageError } from './values.js';

interface ExplainOptions {
  readonly principal: string;
  readonly action: string;
  readonly key?: string;
  readonly resource?: string;
  readonly context?: readonly string[];
  readonly output: Format;
  readonly query?: string;
}

/** Adds `keyhold policy explain`. */
export function addPolicyCommands(program: Command): void {
  program
    .command('policy')
    .description('Policy documents, and what they decide.')
    .command('explain')
    .description('Tells whether a request would be allowed, and which statement, grant or absence decides.')
    .requiredOption('--principal <name>', 'root, user/NAME, role/NAME, or an ARN')
    .requiredOption('--action <action>', 'such as kms:Encrypt')
    .option('--key <key>', 'key ID, key ARN, alias name or alias ARN')
    .option('--resource <arn>', 'where the action is about something that is no key')
    .option(
      '--context <key=value...>',
      'a condition key of the request, such as kms:EncryptionContext:app=pay; given again, another value',
    )
    .addOption(new Option('--output <format>', 'how to print').choices(formats).default('json'))
    .option('--query <expression>', 'a JMESPath expression that picks what to print')
    .action((options: ExplainOptions) => explain(options));
}

function explain({
  principal,
  action,
  key,
  resource,
  context,
  output,
  query,
}: ExplainOptions): Promise<void> {
  const request = { principal, action, keyId: key, resourceArn: resource, context: entriesOf(context ?? []) };
  return withClient(async (client) => {
    const response = await client.explainPolicy(request);
    const { response: shape } = shapeByName.get('ExplainPolicy')!;
    process.stdout.write(await render(toAwsNames(shape, { ...response }), output, query));
  }, 'ExplainPolicy');
}

/** @throws UsageError */
function entriesOf(words: readonly string[]): ContextEntry[] {
  const values = new Map<string, string[]>();
  for (const word of words) {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(word) ?? [];
    if (name === undefined || value === undefined)
      throw new UsageError(`--context takes key=value, not '${word}'.`);
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return [...values].map(([contextKeyName, contextKeyValues]) => ({ contextKeyName, contextKeyValues }));
}
