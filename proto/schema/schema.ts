// The form of the schema that scripts/generate-proto.mjs writes.

/** A field of a message, with its options of options.proto. */
export interface FieldDescription {
  /** In camelCase. */
  readonly name: string;
  readonly number: number;
  /** A scalar type of protobuf, or the name of an enum or message of the schema. */
  readonly type: string;
  readonly repeated?: boolean;
  readonly required?: boolean;
  readonly min?: number;
  readonly max?: number;
  readonly itemMin?: number;
  readonly itemMax?: number;
  readonly pattern?: string;
  readonly service?: string;
  readonly sensitive?: boolean;
  readonly always?: boolean;
}

/** The schema, parsed. */
export interface Schema {
  readonly messages: Readonly<Record<string, readonly FieldDescription[]>>;
  /** Enum values by their names without the enum's prefix. The value 0, UNSPECIFIED, is left out. */
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
}
