// AWS's names of fields, derived from the names in the schema.
import type { FieldShape, MessageShape } from '../schema/descriptor.js';

/** Names that do not follow the rule `keyId` → `KeyId`, by message and field. */
const exceptions: Readonly<Record<string, string>> = {
  'KeyMetadata.awsAccountId': 'AWSAccountId',
  'PolicyDescriptorType.arn': 'arn',
};

/** A field and AWS's name for it. */
export interface NamedField {
  readonly awsName: string;
  readonly field: FieldShape;
}

const known = new WeakMap<MessageShape, readonly NamedField[]>();

/** Returns the fields of a message with AWS's names. */
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
