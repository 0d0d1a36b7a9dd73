// keyhold policy explain: explains the decision about a request.
import type { Command } from 'commander';
import type { ContextEntry } from '../../../proto/generated/messages.js';
import { addOutputOptions, type OutputOptions, printResponse } from '../output/output.js';
import { withClient } from '../session.js';
import { UsageError } from '../input/values.js';

interface ExplainOptions extends OutputOptions {
  readonly principal: string;
  readonly action: string;
  readonly key?: string;
  readonly resource?: string;
  readonly context?: readonly string[];
}

/** Adds `keyhold policy explain`. */
export function addPolicyCommands(program: Command): void {
  const explainCommand = program
    .command('policy')
    .description('Checks policy documents, and explains what they decide.')
    .helpGroup('Permissions:')
    .command('explain')
    .description('Explains whether a request would be allowed: which statement, grant or gap decides.')
    .requiredOption('--principal <name>', 'who asks: root, user/NAME, role/NAME, or an ARN')
    .requiredOption('--action <action>', 'what is asked for, such as kms:Encrypt')
    .option('--key <key>', 'the key: ID, ARN, alias name or alias ARN')
    .option('--resource <arn>', 'what the action is about, where that is not a key')
    .option(
      '--context <key=value...>',
      'a condition key of the request, such as kms:EncryptionContext:app=pay; repeat it for more values',
    )
    .action((options: ExplainOptions) => explain(options));
  addOutputOptions(explainCommand);
}

function explain(options: ExplainOptions): Promise<void> {
  const { principal, action, key, resource, context = [] } = options;
  const request = { principal, action, keyId: key, resourceArn: resource, context: entriesOf(context) };
  return withClient(async (client) => {
    await printResponse('ExplainPolicy', await client.explainPolicy(request), options);
  }, 'ExplainPolicy');
}

/** Reads the words of --context. @throws UsageError */
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
