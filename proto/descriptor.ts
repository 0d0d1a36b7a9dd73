import protobuf from 'protobufjs';
import type { Operations } from './generated/messages.js';
import { schema } from './generated/schema.js';

/** The name of an operation, as AWS KMS spells it: `Encrypt`. */
export type OperationName = keyof Operations;

/** What a field holds, from which transports, CLI and validation derive what they do with it. */
export interface FieldShape {
  /** camelCase, as programs use it: `keyId`. */
  readonly name: string;
  readonly kind: 'string' | 'bytes' | 'boolean' | 'number' | 'timestamp' | 'enum' | 'map' | 'message';
  readonly repeated: boolean;
  /** The enum's values without their prefix, by number. */
  readonly values?: ReadonlyMap<number, string>;
  readonly numbers?: ReadonlyMap<string, number>;
  readonly message?: MessageShape;
  readonly required: boolean;
  readonly min?: number;
  readonly max?: number;
  /** Of each string of a list. */
  readonly itemMin?: number;
  readonly itemMax?: number;
  readonly pattern?: RegExp;
  /** A secret: no error message repeats it. */
  readonly sensitive: boolean;
}

export interface MessageShape {
  readonly name: string;
  readonly fields: readonly FieldShape[];
  readonly byName: ReadonlyMap<string, FieldShape>;
}

/** AWS KMS's own operations, those of STS, and those on identities. */
export type Service = 'kms' | 'sts' | 'keyhold';

export interface OperationShape {
  readonly name: OperationName;
  readonly service: Service;
  /** The field of the `oneof` in Request and Response: `encrypt`. */
  readonly field: string;
  readonly request: MessageShape;
  readonly response: MessageShape;
}

const root = new protobuf.Root();
for (const source of schema) protobuf.parse(source, root);
root.resolveAll();

export const requestType = root.lookupType('keyhold.v1.Request');
export const responseType = root.lookupType('keyhold.v1.Response');
const operationFields = requestType.oneofs.operation?.fieldsArray ?? [];

// Else protobufjs's decoder would, for the field of a oneof that it reads, delete every other one: for the operations
// that took a twentieth of the daemon's time. Whoever reads the frame looks at what is set. The decoder is made at its
// first use, so this is in time.
for (const type of [requestType, responseType]) for (const field of type.fieldsArray) field.partOf = null;

const scalarKinds: Readonly<Record<string, FieldShape['kind']>> = {
  string: 'string',
  bytes: 'bytes',
  bool: 'boolean',
  double: 'timestamp',
};

function enumValues(type: protobuf.Enum): Map<number, string> {
  const prefix = `${type.name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase()}_`;
  const named = Object.entries(type.values).filter(([, number]) => number !== 0);
  return new Map(named.map(([name, number]) => [number, name.slice(prefix.length)]));
}

function fieldShape(field: protobuf.Field): FieldShape {
  const type = field.resolvedType;
  const options = (field.options ?? {}) as Record<string, string | number | boolean | undefined>;
  const pattern = options['(pattern)'];
  const isMap = type instanceof protobuf.Type && type.name === 'StringMapEntry';
  const values = type instanceof protobuf.Enum ? enumValues(type) : undefined;
  return {
    name: field.name,
    kind: isMap ? 'map' : values ? 'enum' : type ? 'message' : (scalarKinds[field.type] ?? 'number'),
    repeated: field.repeated && !isMap,
    values,
    numbers: values && new Map([...values].map(([number, name]) => [name, number])),
    message: type instanceof protobuf.Type && !isMap ? messageShape(type) : undefined,
    required: options['(required)'] === true,
    min: options['(min)'] as number | undefined,
    max: options['(max)'] as number | undefined,
    itemMin: options['(item_min)'] as number | undefined,
    itemMax: options['(item_max)'] as number | undefined,
    pattern: typeof pattern === 'string' ? new RegExp(pattern) : undefined,
    sensitive: options['(sensitive)'] === true,
  };
}

const shapes = new Map<protobuf.Type, MessageShape>();

function messageShape(type: protobuf.Type): MessageShape {
  let shape = shapes.get(type);
  if (!shape) {
    const fields = type.fieldsArray.map(fieldShape);
    shape = { name: type.name, fields, byName: new Map(fields.map((field) => [field.name, field])) };
    shapes.set(type, shape);
  }
  return shape;
}

function operationShape(field: protobuf.Field): OperationShape {
  const result = responseType.fields[field.name]?.resolvedType as protobuf.Type;
  return {
    name: (field.name.charAt(0).toUpperCase() + field.name.slice(1)) as OperationName,
    service: (field.options?.['(service)'] ?? 'kms') as Service,
    field: field.name,
    request: messageShape(field.resolvedType as protobuf.Type),
    response: messageShape(result),
  };
}

/** Every operation of the schema, in the schema's order. */
export const operationShapes: readonly OperationShape[] = operationFields.map(operationShape);

export const shapeByName: ReadonlyMap<string, OperationShape> = new Map(
  operationShapes.map((shape) => [shape.name, shape]),
);

export const shapeByField: ReadonlyMap<string, OperationShape> = new Map(
  operationShapes.map((shape) => [shape.field, shape]),
);
