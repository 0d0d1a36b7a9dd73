// keyhold policy explain: explains the decision about a request.
import type { Command } from 'commander';
import type { Json } from '../../../proto/aws/json.js';
import type { ContextEntry, NearMiss } from '../../../proto/generated/messages.js';
import { shapeByName } from '../../../proto/schema/descriptor.js';
import { shown } from '../../../proto/text.js';
import { addOutputOptions, type OutputOptions, print, toAwsNames } from '../output/output.js';
import { readableText } from '../output/readable.js';
import { standardScreen } from '../output/style.js';
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
    .description(
      'Explains whether a request would be allowed: which statement, grant or gap decides, and what nearly did.',
    )
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
    const response = await client.explainPolicy(request);
    const named = toAwsNames(shapeByName.get('ExplainPolicy')!.response, { ...response });
    await print(named, options, () => explanationText(named, response.nearMisses ?? []));
  }, 'ExplainPolicy');
}

/** Formats an explanation for people: near misses as sentences. */
function explanationText(named: Record<string, Json>, near: readonly NearMiss[]): string {
  const screen = standardScreen();
  const decision = Object.entries(named).filter(([name]) => name !== 'NearMisses');
  const text = readableText(Object.fromEntries(decision), screen);
  if (near.length === 0) return text;
  const sentences = near.map(({ explanation }) => `  - ${shown(explanation, Infinity)}\n`);
  return `${text}${screen.paint('bold', 'NearMisses')}\n${sentences.join('')}`;
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
