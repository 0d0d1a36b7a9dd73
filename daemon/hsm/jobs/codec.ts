// How the values of a job travel between pool and worker: each as one byte string, in the order in which the job lists them.
import { HsmError } from '../key-store.js';

/** The encoding of one value. */
export interface Field<T> {
  /** @returns bytes that the frame copies; in a result they are wiped afterwards, so they must not be shared */
  encode(value: T): Buffer;
  /** @param part a view of the frame, which is wiped when the job is done */
  decode(part: Buffer): T;
  /** The value is the CKA_ID of a key that the job uses. */
  readonly isKey?: true;
}

/** A field for each member of an object; their order is the order of the byte strings. */
export type FieldsOf<T> = { readonly [Name in keyof T]: Field<T[Name]> };

/** Encodes and decodes all values of a job or of its result. */
export interface Codec<T> {
  /** Which of the byte strings are CKA_IDs of keys that the job uses. */
  readonly keys: readonly number[];
  encode(values: T): Buffer[];
  /** @throws HsmError 'internal' where the number of byte strings is another one */
  decode(parts: readonly Buffer[]): T;
}

/** The codec of an object by its fields. */
export function codecOf<T extends object>(fields: FieldsOf<T>): Codec<T> {
  const names = Object.keys(fields) as (keyof T)[];
  const encodings = Object.values(fields) as readonly Field<T[keyof T]>[];
  const { length } = names;
  return {
    keys: encodings.flatMap(({ isKey }, index) => (isKey ? [index] : [])),
    encode(values) {
      const parts = new Array<Buffer>(length);
      for (let index = 0; index < length; index++)
        parts[index] = encodings[index]!.encode(values[names[index]!]);
      return parts;
    },
    decode(parts) {
      if (parts.length !== length)
        throw new HsmError('internal', `A message of ${parts.length} parts, not ${length}`);
      const values: Partial<T> = {};
      for (let index = 0; index < length; index++)
        values[names[index]!] = encodings[index]!.decode(parts[index]!);
      return values as T;
    },
  };
}
