// Checks a request against the constraints of the schema, with AWS's wording.
import type { FieldShape, MessageShape } from '../../proto/schema/descriptor.js';
import { exceptions } from '../../proto/errors.js';
import { shown } from '../../proto/text.js';

/**
 * Number of faults that an error message names. All are counted, but a long list of bad members must not fill the memory.
 */
const mostNamed = 10;

/** The faults of a request: their number, and the first of them in words. */
class Faults {
  count = 0;
  readonly named: string[] = [];

  add(fault: string): void {
    if (++this.count <= mostNamed) this.named.push(fault);
  }
}

/** Checks a message against its shape. @throws ValidationException that counts the faults and names the first of them */
export function validate(shape: MessageShape, message: Readonly<Record<string, unknown>>): void {
  const faults = new Faults();
  checkMessage(shape, message, '', faults);
  if (faults.count === 0) return;
  const count = `${faults.count} validation error${faults.count > 1 ? 's' : ''} detected`;
  throw new exceptions.ValidationException(`${count}: ${faults.named.join('; ')}`);
}

function checkMessage(
  shape: MessageShape,
  message: Readonly<Record<string, unknown>>,
  path: string,
  faults: Faults,
): void {
  for (const field of shape.fields) {
    const value = message[field.name];
    if (value === undefined) {
      if (field.required)
        faults.add(`Value null at '${path}${field.name}' ${failed}: Member must not be null`);
    } else {
      checkField(field, value, path + field.name, faults);
    }
  }
}

const failed = 'failed to satisfy constraint';

function checkField(field: FieldShape, value: unknown, path: string, faults: Faults): void {
  if (field.repeated) {
    const items = value as unknown[];
    checkLength(field, items.length, `Value at '${path}'`, faults);
    if (field.max !== undefined && items.length > field.max) return;
    if (field.kind === 'enum') checkValues(field, items as string[], path, faults, true);
    if (field.kind === 'string') checkItems(field, items as string[], path, faults);
    if (!field.message) return;
    for (const [index, item] of items.entries()) {
      checkMessage(field.message, item as Record<string, unknown>, `${path}.${index + 1}.member.`, faults);
    }
  } else if (field.message) {
    checkMessage(field.message, value as Record<string, unknown>, `${path}.`, faults);
  } else if (field.kind === 'enum') {
    checkValues(field, [value as string], path, faults);
  } else if (field.kind === 'bytes') {
    checkLength(field, (value as Uint8Array).length, `Value at '${path}'`, faults);
  } else if (field.kind === 'string') {
    checkString(field, value as string, path, faults);
  } else if (field.kind === 'number') {
    checkNumber(field, value as number, path, faults);
  } else if (field.kind === 'timestamp' && !Number.isFinite(value)) {
    faults.add(`Value at '${path}' ${failed}: Member must be a finite number of seconds`);
  }
}

function checkString(field: FieldShape, value: string, path: string, faults: Faults): void {
  const { min = 0, max = Infinity, pattern } = field;
  const isLike = pattern?.test(value) !== false;
  if (isLike && value.length >= min && value.length <= max) return;
  // As AWS KMS writes it.
  const told = field.sensitive ? '***Sensitive Data Redacted***' : shown(value);
  const place = `Value '${told}' at '${path}'`;
  checkLength(field, value.length, place, faults);
  if (!isLike)
    faults.add(`${place} ${failed}: Member must satisfy regular expression pattern: ${pattern?.source}`);
}

/** The native decoder refuses values outside an enum, but JSON can contain any. */
function checkValues(
  { numbers }: FieldShape,
  values: readonly string[],
  path: string,
  faults: Faults,
  isList = false,
): void {
  if (values.every((value) => numbers?.has(value))) return;
  const set = [...(numbers?.keys() ?? [])].join(', ');
  const told = shown(values.slice(0, mostNamed).join(', '));
  const value = isList ? `[${told}]` : told;
  faults.add(`Value '${value}' at '${path}' ${failed}: Member must satisfy enum value set: [${set}]`);
}

function checkLength(
  { min = 0, max = Infinity }: FieldShape,
  length: number,
  value: string,
  faults: Faults,
): void {
  if (length < min) faults.add(`${value} ${failed}: Member must have length greater than or equal to ${min}`);
  if (length > max) faults.add(`${value} ${failed}: Member must have length less than or equal to ${max}`);
}

/** Reports a list only once, with all constraints on its strings. */
function checkItems(
  { itemMin = 0, itemMax = Infinity }: FieldShape,
  items: readonly string[],
  path: string,
  faults: Faults,
): void {
  if (items.every(({ length }) => length >= itemMin && length <= itemMax)) return;
  const bounds = [`less than or equal to ${itemMax}`, `greater than or equal to ${itemMin}`];
  const all = bounds.map((bound) => `Member must have length ${bound}`).join(', ');
  faults.add(`Value at '${path}' ${failed}: Member must satisfy constraint: [${all}]`);
}

function checkNumber(field: FieldShape, value: number, path: string, faults: Faults): void {
  const { min = -Infinity, max = Infinity } = field;
  const place = `Value '${value}' at '${path}' ${failed}: Member must have value`;
  if (value < min) faults.add(`${place} greater than or equal to ${min}`);
  if (value > max) faults.add(`${place} less than or equal to ${max}`);
}
