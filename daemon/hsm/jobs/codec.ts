// Encoding of a job's values between pool and worker: one byte string each, in the order of the job's definition.
import { HsmError } from '../key-store.js';

/** The encoding of one value. */
export interface Field<T> {
  /** @returns bytes that the frame copies; those of a result are wiped afterwards, so they must not be shared */
  encode(value: T): Buffer;
  /** @param part a view of the frame, which is wiped when the job is done */
  decode(part: Buffer): T;
  /** The value is the CKA_ID of a key that the job uses. */
  readonly isKey?: true;
}

/** One field for each member of an object; the byte strings have the same order. */
export type FieldsOf<T> = { readonly [Name in keyof T]: Field<T[Name]> };

/** Encodes and decodes all values of a job or of its result. */
export interface Codec<T> {
  /** Indexes of the byte strings that are CKA_IDs of keys which the job uses. */
  readonly keys: readonly number[];
  encode(values: T): Buffer[];
  /** @throws HsmError 'internal' if the number of byte strings is wrong */
  decode(parts: readonly Buffer[]): T;
}

/** Makes the codec of an object from its fields. */
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
        throw new HsmError('internal', `A message of an HSM job has ${parts.length} parts, not ${length}`);
      const values: Partial<T> = {};
      for (let index = 0; index < length; index++)
        values[names[index]!] = encodings[index]!.decode(parts[index]!);
      return values as T;
    },
  };
}
