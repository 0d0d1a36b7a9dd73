// Descriptions of the options of operation commands, made of the schema's comments.
import { memberTexts } from '../../../proto/generated/texts.js';
import type { OperationName } from '../../../proto/schema/descriptor.js';
import { kebab } from '../input/values.js';

/**
 * Returns the description of an option: the sentences of the schema as phrases, `the key: ID or ARN; ...`. Other members of the
 * request that they name are named as options.
 * @param field the field of the operation's request, in camelCase
 */
export function optionText(operation: OperationName, field: string): string {
  const members = memberTexts[operation];
  const text = members[field] ?? '';
  return text
    .replace(/`(\w+)`/g, (quoted, name: string) => (name in members ? `--${kebab(name)}` : quoted))
    .replace(/\.$/, '')
    .split('. ')
    .map(asPhrase)
    .join('; ');
}

/** Abbreviations such as ARN keep their capitals. */
function asPhrase(sentence: string): string {
  return /^[A-Z][^A-Z]/.test(sentence) ? sentence.charAt(0).toLowerCase() + sentence.slice(1) : sentence;
}
