// The content of session tokens.
import { z } from 'zod';

/** A session of a role, in JSON. */
export const sessionSchema = z.strictObject({
  roleId: z.string(),
  name: z.string(),
  /** Epoch seconds: `aws:TokenIssueTime`. */
  issuedAt: z.number(),
  /** Epoch seconds. */
  expiresAt: z.number(),
  /** The session policy, as given. */
  policy: z.string().optional(),
  /** Managed session policies. One that was deleted, even if its name is used again, allows nothing. */
  policies: z.array(z.strictObject({ name: z.string(), id: z.string() })),
  tags: z.array(z.strictObject({ key: z.string(), value: z.string() })),
  /** Keys of the transitive tags, which sessions that this one assumes inherit. */
  transitiveTagKeys: z.array(z.string()),
});

/** A session of a role. */
export type Session = z.output<typeof sessionSchema>;

/** A session of a user or of the root, in JSON. */
export const principalSessionSchema = z.strictObject({
  /** Unique ID of the user, or the account ID for the root. */
  principalId: z.string(),
  /** Epoch seconds: `aws:TokenIssueTime`. */
  issuedAt: z.number(),
  /** Epoch seconds. */
  expiresAt: z.number(),
});

/** Temporary credentials of a user or of the root (GetSessionToken): they have the permissions of their principal. */
export type PrincipalSession = z.output<typeof principalSessionSchema>;

/** A session of a role, a user or the root. */
export type AnySession = Session | PrincipalSession;
