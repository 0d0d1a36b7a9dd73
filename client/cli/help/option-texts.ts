// What an option of an operation's command is for: the schema's sentences, in the form that help has.
import { memberTexts } from '../../../proto/generated/texts.js';
import type { OperationName } from '../../../proto/schema/descriptor.js';

/**
 * What an option is for: the sentences of the schema as phrases, `the key: ID or ARN; ...`.
 * @param field of the operation's request, in camelCase
 */
export function optionText(operation: OperationName, field: string): string {
  const text = memberTexts[operation][field] ?? '';
  return text.replace(/\.$/, '').split('. ').map(asPhrase).join('; ');
}

/** Abbreviations such as ARN keep their capitals. */
function asPhrase(sentence: string): string {
  return /^[A-Z][^A-Z]/.test(sentence) ? sentence.charAt(0).toLowerCase() + sentence.slice(1) : sentence;
}
