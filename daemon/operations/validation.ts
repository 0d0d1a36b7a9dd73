// Checks a request against the constraints of the schema, with AWS's wording.
import type { FieldShape, MessageShape } from '../../proto/descriptor.js';
import { exceptions } from '../../proto/errors.js';

/** @throws ValidationException that names every field at fault */
export function validate(shape: MessageShape, message: Readonly<Record<string, unknown>>): void {
  const faults: string[] = [];
  checkMessage(shape, message, '', faults);
  if (faults.length === 0) return;
  const count = `${faults.length} validation error${faults.length > 1 ? 's' : ''} detected`;
  throw new exceptions.ValidationException(`${count}: ${faults.join('; ')}`);
}

function checkMessage(
  shape: MessageShape,
  message: Readonly<Record<string, unknown>>,
  path: string,
  faults: string[],
): void {
  for (const field of shape.fields) {
    const value = message[field.name];
    if (value === undefined) {
      if (field.required)
        faults.push(`Value null at '${path}${field.name}' ${failed}: Member must not be null`);
    } else {
      checkField(field, value, path + field.name, faults);
    }
  }
}

const failed = 'failed to satisfy constraint';

function checkField(field: FieldShape, value: unknown, path: string, faults: string[]): void {
  if (field.repeated) {
    const items = value as unknown[];
    checkLength(field, items.length, `Value at '${path}'`, faults);
    if (field.kind === 'enum') checkValues(field, items as string[], `[${items.join(', ')}]`, path, faults);
    if (field.kind === 'string') checkItems(field, items as string[], path, faults);
    if (!field.message) return;
    for (const [index, item] of items.entries()) {
      checkMessage(field.message, item as Record<string, unknown>, `${path}.${index + 1}.member.`, faults);
    }
  } else if (field.message) {
    checkMessage(field.message, value as Record<string, unknown>, `${path}.`, faults);
  } else if (field.kind === 'enum') {
    checkValues(field, [value as string], value as string, path, faults);
  } else if (field.kind === 'bytes') {
    checkLength(field, (value as Uint8Array).length, `Value at '${path}'`, faults);
  } else if (field.kind === 'string') {
    // As AWS KMS writes it.
    const told = field.sensitive ? '***Sensitive Data Redacted***' : (value as string);
    const shown = `Value '${told}' at '${path}'`;
    checkLength(field, (value as string).length, shown, faults);
    if (field.pattern?.test(value as string) === false) {
      faults.push(
        `${shown} ${failed}: Member must satisfy regular expression pattern: ${field.pattern.source}`,
      );
    }
  } else if (field.kind === 'number') {
    checkNumber(field, value as number, path, faults);
  } else if (field.kind === 'timestamp' && !Number.isFinite(value)) {
    faults.push(`Value at '${path}' ${failed}: Member must be a finite number of seconds`);
  }
}

/** The native decoder knows no value outside its enum; JSON can name any. */
function checkValues(
  { numbers }: FieldShape,
  values: readonly string[],
  shown: string,
  path: string,
  faults: string[],
): void {
  if (values.every((value) => numbers?.has(value))) return;
  const set = [...(numbers?.keys() ?? [])].join(', ');
  faults.push(`Value '${shown}' at '${path}' ${failed}: Member must satisfy enum value set: [${set}]`);
}

function checkLength(
  { min = 0, max = Infinity }: FieldShape,
  length: number,
  shown: string,
  faults: string[],
): void {
  if (length < min)
    faults.push(`${shown} ${failed}: Member must have length greater than or equal to ${min}`);
  if (length > max) faults.push(`${shown} ${failed}: Member must have length less than or equal to ${max}`);
}

/** A list is told of once, with all that its strings must be. */
function checkItems(
  { itemMin = 0, itemMax = Infinity }: FieldShape,
  items: readonly string[],
  path: string,
  faults: string[],
): void {
  if (items.every(({ length }) => length >= itemMin && length <= itemMax)) return;
  const bounds = [`less than or equal to ${itemMax}`, `greater than or equal to ${itemMin}`];
  const all = bounds.map((bound) => `Member must have length ${bound}`).join(', ');
  faults.push(`Value at '${path}' ${failed}: Member must satisfy constraint: [${all}]`);
}

function checkNumber(field: FieldShape, value: number, path: string, faults: string[]): void {
  const { min = -Infinity, max = Infinity } = field;
  const shown = `Value '${value}' at '${path}' ${failed}: Member must have value`;
  if (value < min) faults.push(`${shown} greater than or equal to ${min}`);
  if (value > max) faults.push(`${shown} less than or equal to ${max}`);
}
