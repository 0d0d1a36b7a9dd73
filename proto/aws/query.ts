// The AWS query protocol (Smithy, "AWS query protocol"): requests are forms, responses are XML.
import { namedFields } from './names.js';
import type { FieldShape, MessageShape } from '../schema/descriptor.js';
import { exceptions, type ServiceError } from '../errors.js';
import { shown } from '../text.js';

type Plain = Record<string, unknown>;

/** Maximum members of a list: more than any list of STS may have. */
const maxMembers = 100;

/**
 * Decodes a request: `Name=value`, `Structure.Name=value`, `List.member.1=value`. Unknown parameters are ignored.
 * @param body a form in UTF-8
 * @throws SerializationException; ValidationException for a duplicate parameter
 */
export function decodeAwsQuery(shape: MessageShape, body: Buffer): Plain {
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(body.toString())) {
    if (parameters.has(name))
      throw new exceptions.ValidationException(`The parameter '${shown(name)}' is there twice.`);
    parameters.set(name, value);
  }
  return toPlain(shape, parameters, '') ?? {};
}

/** Converts a message to XML elements, without an enclosing element. */
export function toAwsXml(shape: MessageShape, message: Readonly<Plain>): string {
  let xml = '';
  for (const { awsName, field } of namedFields(shape)) {
    const value = message[field.name];
    if (value === undefined) continue;
    const items = field.repeated
      ? (value as unknown[]).map((item) => `<member>${valueToXml(field, item)}</member>`).join('')
      : valueToXml(field, value);
    xml += `<${awsName}>${items}</${awsName}>`;
  }
  return xml;
}

/** Escapes text for an XML element. Characters that XML 1.0 does not allow become question marks. */
export function xmlText(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '?')
    .replace(/[&<>"\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function valueToXml(field: FieldShape, value: unknown): string {
  if (field.message) return toAwsXml(field.message, value as Plain);
  if (field.kind === 'timestamp') return new Date((value as number) * 1000).toISOString();
  if (field.kind === 'bytes') return Buffer.from(value as Uint8Array).toString('base64');
  return xmlText(String(value));
}

/** @returns undefined if no parameter belongs to this message */
function toPlain(
  shape: MessageShape,
  parameters: ReadonlyMap<string, string>,
  prefix: string,
): Plain | undefined {
  const plain: Plain = {};
  for (const { awsName, field } of namedFields(shape)) {
    const name = prefix + awsName;
    const value = field.repeated
      ? listToPlain(field, parameters, `${name}.member.`)
      : valueToPlain(field, parameters, name);
    if (value !== undefined) plain[field.name] = value;
  }
  return Object.keys(plain).length > 0 ? plain : undefined;
}

function listToPlain(
  field: FieldShape,
  parameters: ReadonlyMap<string, string>,
  prefix: string,
): unknown[] | undefined {
  const items: unknown[] = [];
  for (;;) {
    const item = valueToPlain(field, parameters, prefix + (items.length + 1));
    if (item === undefined) break;
    if (items.length === maxMembers) throw malformed(`'${prefix}' has more than ${maxMembers} members.`);
    items.push(item);
  }
  return items.length > 0 ? items : undefined;
}

function valueToPlain(field: FieldShape, parameters: ReadonlyMap<string, string>, name: string): unknown {
  if (field.message) return toPlain(field.message, parameters, `${name}.`);
  const text = parameters.get(name);
  if (text === undefined) return undefined;
  if (field.kind === 'string' || field.kind === 'enum') return text;
  if (field.kind === 'number' && /^-?[0-9]{1,9}$/.test(text)) return Number(text);
  if (field.kind === 'boolean' && /^(true|false)$/.test(text)) return text === 'true';
  throw malformed(`'${name}' can not be read as a ${field.kind}.`);
}

function malformed(message: string): ServiceError {
  return new exceptions.SerializationException(message);
}
