// A grant and its record.
import { z } from 'zod';
import type { GrantOperation } from '../../../proto/generated/messages.js';
import type { RecordChange, Records } from '../../store/records/records.js';
import { constraintTypes } from './grant-constraints.js';

/** The schema of a grant's record. */
export const grantRecord = z.strictObject({
  /** The name in CreateGrant; creating the same grant again with its name creates no second one. */
  name: z.string().optional(),
  /** Unique id of a user or role, `<unique id of a role>:<session name>`, or of the root the account. */
  granteeId: z.string(),
  /** As granteeId. */
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

/** What the metadata store keeps of a grant, as `grant/<key id>/<grant id>`. */
export type GrantRecord = z.output<typeof grantRecord>;

/** A grant. It is never changed. */
export interface Grant extends Readonly<GrantRecord> {
  readonly keyId: string;
  /** 64 hex characters. */
  readonly grantId: string;
}

/** Prefix of the keys of all grants' records. */
export const grantPrefix = 'grant/';

/** Names of the records of a key's grants. */
export function grantNames(records: Records, keyId: string): Iterable<string> {
  return records.keys(`${grantPrefix}${keyId}/`);
}

/** The change that stores a grant. */
export function putGrant({ keyId, grantId, ...record }: Grant): RecordChange {
  return { key: `${grantPrefix}${keyId}/${grantId}`, value: JSON.stringify(record) };
}

/** The change that removes a grant. */
export function removeGrant({ keyId, grantId }: Pick<Grant, 'keyId' | 'grantId'>): RecordChange {
  return { key: `${grantPrefix}${keyId}/${grantId}`, value: undefined };
}
