// Bounds of fields that the configuration makes stricter than those of AWS KMS, which the schema has.
import { exceptions } from '../../proto/errors.js';

/** Settings that bound fields of requests, in all operations. */
export interface FieldLimits {
  readonly plaintextBytes: number;
  readonly ciphertextBytes: number;
  readonly messageBytes: number;
  readonly randomBytes: number;
  readonly encryptionContextBytes: number;
  readonly descriptionLength: number;
  readonly aliasLength: number;
  readonly grantTokens: number;
  readonly listLength: number;
  readonly shortestPendingWindowInDays: number;
  readonly longestPendingWindowInDays: number;
  readonly shortestRotationPeriodInDays: number;
  readonly longestRotationPeriodInDays: number;
}

interface Row {
  readonly fields: readonly string[];
  /** The size of a value, if it is neither its length nor the number itself. */
  readonly measure?: (value: never) => number;
  readonly isLowerBound?: true;
}

const rows: Readonly<Record<keyof FieldLimits, Row>> = {
  plaintextBytes: { fields: ['plaintext'] },
  ciphertextBytes: { fields: ['ciphertextBlob'] },
  messageBytes: { fields: ['message'] },
  randomBytes: { fields: ['numberOfBytes'] },
  encryptionContextBytes: {
    fields: ['encryptionContext', 'sourceEncryptionContext', 'destinationEncryptionContext'],
    measure: (context: Readonly<Record<string, string>>) =>
      Object.entries(context).reduce((sum, pair) => sum + Buffer.byteLength(pair.join('')), 0),
  },
  descriptionLength: { fields: ['description'] },
  aliasLength: { fields: ['aliasName', 'alias'] },
  grantTokens: { fields: ['grantTokens'] },
  listLength: { fields: ['limit'] },
  shortestPendingWindowInDays: { fields: ['pendingWindowInDays'], isLowerBound: true },
  longestPendingWindowInDays: { fields: ['pendingWindowInDays'] },
  shortestRotationPeriodInDays: { fields: ['rotationPeriodInDays'], isLowerBound: true },
  longestRotationPeriodInDays: { fields: ['rotationPeriodInDays'] },
};

/**
 * Makes the function that checks a request against the settings. Before it, `validate` checks AWS's own bounds.
 * @param defaults settings that equal their default are not checked
 * @returns a function that throws ValidationException for a field out of bounds
 */
export function fieldLimitCheck(
  limits: FieldLimits,
  defaults: FieldLimits,
): (request: Readonly<Record<string, unknown>>) => void {
  const changed = (Object.keys(rows) as (keyof FieldLimits)[]).filter(
    (setting) => limits[setting] !== defaults[setting],
  );
  const checks = changed.flatMap((setting) => {
    const { fields, measure = sizeOf, isLowerBound } = rows[setting];
    return fields.map((field) => ({ field, measure, isLowerBound, bound: limits[setting] }));
  });
  return (request) => {
    for (const { field, measure, isLowerBound, bound } of checks) {
      const value = request[field];
      if (value === undefined) continue;
      const size = measure(value as never);
      if (isLowerBound ? size >= bound : size <= bound) continue;
      throw new exceptions.ValidationException(
        `1 validation error detected: Value at '${field}' failed to satisfy constraint: Member must have ` +
          `${typeof value === 'number' ? 'value' : 'length'} ${isLowerBound ? 'greater' : 'less'} than or equal to ${bound}`,
      );
    }
  };
}

function sizeOf(value: number | string | Uint8Array | readonly unknown[]): number {
  return typeof value === 'number' ? value : value.length;
}
