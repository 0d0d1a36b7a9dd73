import type { Operations } from '../generated/messages.js';
import { schema } from '../generated/schema.js';
import type { FieldDescription } from './schema.js';
import { wireTypes } from '../codec/wire.js';
import { type Scalar, scalars } from '../codec/scalars.js';

/** The name of an operation in AWS's spelling: `Encrypt`. */
export type OperationName = keyof Operations;

/** A field of a message. Transports, CLI and validation are derived from it. */
export interface FieldShape {
  /** In camelCase: `keyId`. */
  readonly name: string;
  readonly kind: Scalar['kind'] | 'enum' | 'map' | 'message';
  readonly repeated: boolean;
  /** Field number << 3 | wire type. */
  readonly tag: number;
  /** The tag of a packed list. */
  readonly packedTag: number;
  /** Its scalar type, unless it is a map or a message. */
  readonly scalar?: Scalar;
  /** The enum's values without their prefix, by number. */
  readonly values?: ReadonlyMap<number, string>;
  readonly numbers?: ReadonlyMap<string, number>;
  readonly message?: MessageShape;
  readonly required: boolean;
  readonly min?: number;
  readonly max?: number;
  /** Bounds of the length of each string in a list. */
  readonly itemMin?: number;
  readonly itemMax?: number;
  readonly pattern?: RegExp;
  /** Whether it is secret, so that error messages never quote it. */
  readonly sensitive: boolean;
}

/** A message of the schema. */
export interface MessageShape {
  readonly name: string;
  readonly fields: readonly FieldShape[];
  readonly byName: ReadonlyMap<string, FieldShape>;
  /** Fields by their tags and their packed tags. */
  readonly byTag: ReadonlyMap<number, FieldShape>;
  /** Names of lists that are in every message of this kind, even if they are empty. */
  readonly lists: readonly string[];
}

/** The service of an operation: AWS KMS, AWS STS, or Keyhold itself, which includes operations on identities. */
export type Service = 'kms' | 'sts' | 'keyhold';

/** An operation of the schema, with its messages. */
export interface OperationShape {
  readonly name: OperationName;
  readonly service: Service;
  /** The field of the `oneof` in Request and Response: `encrypt`. */
  readonly field: string;
  /** The tag of that field. */
  readonly tag: number;
  readonly request: MessageShape;
  readonly response: MessageShape;
}

const messageShapes = new Map<string, MessageShape>();

function fieldShape({ type, number, pattern, ...field }: FieldDescription): FieldShape {
  const values = schema.enums[type];
  const isMap = type === 'StringMapEntry';
  const isMessage = type in schema.messages;
  // An enum's value is an int32 on the wire.
  const scalar = isMessage ? undefined : scalars[values ? 'int32' : type];
  const kind = isMap ? 'map' : values ? 'enum' : (scalar?.kind ?? 'message');
  return {
    ...field,
    kind,
    tag: ((number << 3) | (scalar?.wireType ?? wireTypes.delimited)) >>> 0,
    packedTag: ((number << 3) | wireTypes.delimited) >>> 0,
    scalar,
    repeated: field.repeated === true && !isMap,
    values: values && new Map(Object.entries(values).map(([name, value]) => [value, name])),
    numbers: values && new Map(Object.entries(values)),
    message: isMessage && !isMap ? messageShape(type) : undefined,
    required: field.required === true,
    pattern: pattern === undefined ? undefined : new RegExp(pattern),
    sensitive: field.sensitive === true,
  };
}

/** Returns the shape of a message by its name in the schema. */
export function messageShape(name: string): MessageShape {
  let shape = messageShapes.get(name);
  if (!shape) {
    const described = schema.messages[name]!;
    const fields = described.map(fieldShape);
    shape = {
      name,
      fields,
      byName: new Map(fields.map((field) => [field.name, field])),
      byTag: new Map(fields.flatMap((field) => [field.tag, field.packedTag].map((tag) => [tag, field]))),
      lists: described.filter(({ repeated, always }) => repeated && always).map((field) => field.name),
    };
    messageShapes.set(name, shape);
  }
  return shape;
}

const results = new Map(schema.messages.Response!.map(({ name, type }) => [name, type]));

function operationShape({ name: field, number, type, service = 'kms' }: FieldDescription): OperationShape {
  return {
    name: (field.charAt(0).toUpperCase() + field.slice(1)) as OperationName,
    service: service as Service,
    field,
    tag: ((number << 3) | wireTypes.delimited) >>> 0,
    request: messageShape(type),
    response: messageShape(results.get(field)!),
  };
}

/** Every operation of the schema, in the schema's order. */
export const operationShapes: readonly OperationShape[] = schema.messages
  .Request!.filter(({ type }) => type in schema.messages)
  .map(operationShape);

/** Operations by their names: `Encrypt`. */
export const shapeByName: ReadonlyMap<string, OperationShape> = new Map(
  operationShapes.map((shape) => [shape.name, shape]),
);

/** Operations by the tags of their fields in Request and Response. */
export const shapeByTag: ReadonlyMap<number, OperationShape> = new Map(
  operationShapes.map((shape) => [shape.tag, shape]),
);
