// What a session token carries.
import { z } from 'zod';

/** A session of a role, in JSON. */
export const sessionSchema = z.strictObject({
  roleId: z.string(),
  name: z.string(),
  /** Epoch seconds: `aws:TokenIssueTime`. */
  issuedAt: z.number(),
  /** Epoch seconds. */
  expiresAt: z.number(),
  /** A policy document that bounds the session, as given. */
  policy: z.string().optional(),
  /** Managed policies that bound it. One that is deleted, or made anew under its name, allows nothing any more. */
  policies: z.array(z.strictObject({ name: z.string(), id: z.string() })),
  tags: z.array(z.strictObject({ key: z.string(), value: z.string() })),
  /** Keys of the tags that sessions which this one assumes get too. */
  transitiveTagKeys: z.array(z.string()),
});

/** A session of a role. */
export type Session = z.output<typeof sessionSchema>;

/** A session of a user or of the root, in JSON. */
export const principalSessionSchema = z.strictObject({
  /** Unique id of the user, or the account's number for its root. */
  principalId: z.string(),
  /** Epoch seconds: `aws:TokenIssueTime`. */
  issuedAt: z.number(),
  /** Epoch seconds. */
  expiresAt: z.number(),
});

/** Temporary credentials of a user or of the root (GetSessionToken): they have the permissions of their principal. */
export type PrincipalSession = z.output<typeof principalSessionSchema>;

export type AnySession = Session | PrincipalSession;
