// A grant and its record.
import { z } from 'zod';
import type { GrantOperation } from '../../../proto/generated/messages.js';
import type { RecordChange, Records } from '../../store/records/records.js';
import { constraintTypes } from './grant-constraints.js';

/** The schema of a grant's record. */
export const grantRecord = z.strictObject({
  /** The name given to CreateGrant: repeating the request with the same name does not create a second grant. */
  name: z.string().optional(),
  /** Unique ID of a user or role, `<unique ID of a role>:<session name>`, or the account for the root. */
  granteeId: z.string(),
  /** In the form of granteeId. */
  retiringId: z.string().optional(),
  operations: z.array(z.custom<GrantOperation>((value) => typeof value === 'string')),
  constraint: z
    .strictObject({
      type: z.enum(constraintTypes),
      /** Sorted by their keys. */
      pairs: z.array(z.tuple([z.string(), z.string()]).readonly()).readonly(),
    })
    .optional(),
  /** Epoch seconds. */
  createdAt: z.number(),
});

/** The record of a grant, `grant/<key id>/<grant id>`. */
export type GrantRecord = z.output<typeof grantRecord>;

/** A grant. It is never changed. */
export interface Grant extends Readonly<GrantRecord> {
  readonly keyId: string;
  /** 64 hex characters. */
  readonly grantId: string;
}

/** Prefix of the keys of all grants' records. */
export const grantPrefix = 'grant/';

/** Returns the names of the records of a key's grants. */
export function grantNames(records: Records, keyId: string): Iterable<string> {
  return records.keys(`${grantPrefix}${keyId}/`);
}

/** Returns the change that stores a grant. */
export function putGrant({ keyId, grantId, ...record }: Grant): RecordChange {
  return { key: `${grantPrefix}${keyId}/${grantId}`, value: JSON.stringify(record) };
}

/** Returns the change that removes a grant. */
export function removeGrant({ keyId, grantId }: Pick<Grant, 'keyId' | 'grantId'>): RecordChange {
  return { key: `${grantPrefix}${keyId}/${grantId}`, value: undefined };
}
