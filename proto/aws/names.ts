// Names of fields as AWS spells them, derived from the schema's.
import type { FieldShape, MessageShape } from '../schema/descriptor.js';

/** Names that the rule does not give, by message and field; the rule is `keyId` → `KeyId`. */
const exceptions: Readonly<Record<string, string>> = {
  'KeyMetadata.awsAccountId': 'AWSAccountId',
  'PolicyDescriptorType.arn': 'arn',
};

/** A field and its name at AWS. */
export interface NamedField {
  readonly awsName: string;
  readonly field: FieldShape;
}

const known = new WeakMap<MessageShape, readonly NamedField[]>();

/** The fields of a message with their names at AWS. */
export function namedFields(shape: MessageShape): readonly NamedField[] {
  let named = known.get(shape);
  if (!named) {
    named = shape.fields.map((field) => {
      const awsName = exceptions[`${shape.name}.${field.name}`] ?? pascal(field.name);
      return { awsName, field };
    });
    known.set(shape, named);
  }
  return named;
}

function pascal(name: string): string {
  return name.replace(/^[a-z]/, (letter) => letter.toUpperCase());
}
