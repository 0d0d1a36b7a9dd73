// Nothing of AWS KMS's API is missing: the SDK's own schemas are compared with proto/.
import * as kms from '@aws-sdk/client-kms';
import t from 'tap';
import { namedFields } from '../../../proto/aws/names.js';
import { type FieldShape, type MessageShape, shapeByName } from '../../../proto/schema/descriptor.js';
import { schema } from '../../../proto/generated/schema.js';
import { isErrorCode } from '../../../proto/errors.js';

/** What Keyhold leaves out on purpose: errors. */
const excluded = new Set([
  // Keyhold is no consumer of another XKS proxy, and has no VPC endpoints.
  'XksKeyAlreadyInUseException',
  'XksKeyInvalidConfigurationException',
  'XksKeyNotFoundException',
  'XksProxyIncorrectAuthenticationCredentialException',
  'XksProxyInvalidConfigurationException',
  'XksProxyInvalidResponseException',
  'XksProxyUriEndpointInUseException',
  'XksProxyUriInUseException',
  'XksProxyUriUnreachableException',
  'XksProxyVpcEndpointServiceInUseException',
  'XksProxyVpcEndpointServiceInvalidConfigurationException',
  'XksProxyVpcEndpointServiceNotFoundException',
]);

type Schema = readonly unknown[] | number | string | (() => Schema);

/** By the numbers that `@smithy/types` gives simple types. */
const kinds: Readonly<Record<number, readonly FieldShape['kind'][]>> = {
  0: ['string', 'enum'],
  1: ['number'],
  2: ['boolean'],
  4: ['timestamp'],
  21: ['bytes'],
};

const found: string[] = [];
const missing: string[] = [];
const faults: string[] = [];

function note(name: string, exists: boolean): void {
  (exists ? found : missing).push(name);
}

const seen = new Set<string>();

/** Compares a structure of the SDK with a message, including their members. */
function compare(schema: Schema, shape: MessageShape | undefined): void {
  if (typeof schema === 'function') {
    compare(schema(), shape);
    return;
  }
  if (!Array.isArray(schema) || schema[0] !== 3) return;
  const [, , name, , members, types] = schema as [3, string, string, unknown, string[], Schema[]];
  if (seen.has(name)) return;
  seen.add(name);
  const fields = new Map(shape ? namedFields(shape).map(({ awsName, field }) => [awsName, field]) : []);
  for (const [index, member] of members.entries()) {
    const field = fields.get(member);
    note(`${name}.${member}`, field !== undefined);
    if (field && !fits(types[index]!, field)) faults.push(`${name}.${member} is a ${field.kind}`);
    fields.delete(member);
  }
  // Clients ignore unknown members; those that Keyhold adds begin with its name.
  for (const other of fields.keys())
    if (!other.startsWith('Keyhold')) faults.push(`${name}.${other} is not at AWS`);
}

function fits(type: Schema, field: FieldShape): boolean {
  if (typeof type === 'function') return fits(type(), field);
  if (typeof type === 'number') {
    if (type >= 128) return field.kind === 'map';
    return field.repeated === type >= 64 && kinds[type % 64]!.includes(field.kind);
  }
  if (!Array.isArray(type)) return false;
  const [kind, , , , inner] = type as [number | Schema, unknown, unknown, unknown, Schema];
  if (typeof kind !== 'number') return fits(kind, field);
  if (kind === 0) return fits(inner, field);
  if (kind === 2) return field.kind === 'map';
  if (kind === 1) return field.repeated && fits(inner, { ...field, repeated: false });
  compare(type, field.message);
  return field.kind === 'message' && !field.repeated;
}

void t.test('all operations, fields, enum values and errors of AWS KMS exist, except those listed', (t) => {
  const exported = Object.entries(kms) as [string, unknown][];
  const operations = exported.flatMap(([, value]) =>
    Array.isArray(value) && value[0] === 9 ? [value as [9, string, string, unknown, Schema, Schema]] : [],
  );
  t.ok(operations.length >= 56, `${operations.length} operations`);
  for (const [, , name, , input, output] of operations) {
    const shape = shapeByName.get(name);
    note(name, shape !== undefined);
    if (!shape) continue;
    compare(input, shape.request);
    compare(output, shape.response);
  }
  for (const [name, value] of exported) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) continue;
    const values = Object.values(value);
    if (values.length === 0 || !values.every((each) => typeof each === 'string')) continue;
    const known = enumOf(name);
    for (const each of values) note(`${name}.${String(each)}`, known.has(String(each)));
  }
  for (const [name] of exported)
    if (name.endsWith('Exception') && name !== 'KMSServiceException') note(name, isErrorCode(name));

  const unlisted = missing.filter((name) => !excluded.has(name));
  t.strictSame(unlisted, [], 'nothing is missing');
  t.strictSame(faults, [], 'what exists is the same as in AWS KMS');
  const listed = (list: ReadonlySet<string>) => [...list].filter((name) => !missing.includes(name));
  t.strictSame(listed(excluded), [], 'what is listed as missing is missing');
  t.ok(found.length > 400, `${found.length} names compared`);
  t.end();
});

/** The values of an enum of the schema, without their prefix. */
function enumOf(name: string): ReadonlySet<string> {
  return new Set(Object.keys(schema.enums[name] ?? {}));
}
