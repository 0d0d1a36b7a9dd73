// --generate-cli-skeleton: a message with a value for each member, to fill in for --cli-input-json.
import type { Json } from '../../../proto/aws/json.js';
import { namedFields } from '../../../proto/aws/names.js';
import type { FieldShape, MessageShape } from '../../../proto/schema/descriptor.js';

/** Makes a message with empty values, and the first value of each enum, like the AWS CLI. */
export function skeletonOf(shape: MessageShape): Record<string, Json> {
  return Object.fromEntries(
    namedFields(shape).map(({ awsName, field }) => {
      const value = valueOf(field);
      return [awsName, field.repeated ? [value] : value];
    }),
  );
}

function valueOf(field: FieldShape): Json {
  switch (field.kind) {
    case 'message':
      return skeletonOf(field.message!);
    case 'map':
      return { KeyName: '' };
    case 'enum':
      return [...(field.numbers?.keys() ?? [])].find((name) => !name.endsWith('UNSPECIFIED')) ?? '';
    case 'number':
      return 0;
    case 'boolean':
      return true;
    case 'timestamp':
      return '1970-01-01T00:00:00Z';
    case 'bytes':
      return null;
    case 'string':
      return '';
  }
}
