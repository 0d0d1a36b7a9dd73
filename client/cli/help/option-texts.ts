// Descriptions of the options of operation commands, made of the schema's comments.
import { memberTexts } from '../../../proto/generated/texts.js';
import type { OperationName } from '../../../proto/schema/descriptor.js';

/**
 * Returns the description of an option: the sentences of the schema as phrases, `the key: ID or ARN; ...`.
 * @param field the field of the operation's request, in camelCase
 */
export function optionText(operation: OperationName, field: string): string {
  const text = memberTexts[operation][field] ?? '';
  return text.replace(/\.$/, '').split('. ').map(asPhrase).join('; ');
}

/** Abbreviations such as ARN keep their capitals. */
function asPhrase(sentence: string): string {
  return /^[A-Z][^A-Z]/.test(sentence) ? sentence.charAt(0).toLowerCase() + sentence.slice(1) : sentence;
}
