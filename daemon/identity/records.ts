import { z } from 'zod';

/** A tag, as IAM has it. */
const tags = z.array(z.strictObject({ key: z.string(), value: z.string() }));

/** What users and roles have in common. */
const identity = {
  /** `/`, or begins and ends with one. */
  path: z.string(),
  /** Epoch seconds. */
  createdAt: z.number(),
  tags,
  /** Names of the managed policies that are attached, in the order of attaching. */
  policies: z.array(z.string()),
  /** Name of the managed policy that bounds what the identity may do. */
  boundary: z.string().optional(),
};

const rootRecord = z.strictObject({
  type: z.literal('Root'),
  /** Epoch seconds. */
  createdAt: z.number(),
});

const userRecord = z.strictObject({ type: z.literal('User'), userName: z.string(), ...identity });

const roleRecord = z.strictObject({
  type: z.literal('Role'),
  roleName: z.string(),
  description: z.string().optional(),
  /** Who may assume it, byte for byte as given. */
  trustPolicy: z.string(),
  /** The unique ids of those whom it names, by ARN, as they were when it was put. */
  trustBindings: z.record(z.string(), z.string()),
  /** Seconds. */
  maxSessionDuration: z.number(),
  ...identity,
});

/** `principal/<unique id>`. Policies and grants bind to the id: one made anew under an old name inherits nothing. */
export const principalRecord = z.discriminatedUnion('type', [rootRecord, userRecord, roleRecord]);

/** `policy/<name>`: a managed policy. */
export const policyRecord = z.strictObject({
  policyId: z.string(),
  policyName: z.string(),
  path: z.string(),
  description: z.string().optional(),
  /** Byte for byte as given. */
  document: z.string(),
  /** Epoch seconds. */
  createdAt: z.number(),
});

/** `access-key/<access key id>`. */
export const accessKeyRecord = z.strictObject({
  principalId: z.string(),
  active: z.boolean(),
  /** The secret access key under the HSM's key for secrets, bound to the access key id: IV, ciphertext, tag; base64. */
  secret: z.string(),
  createdAt: z.number(),
});

export type IdentityTag = z.output<typeof tags>[number];
export type UserRecord = z.output<typeof userRecord>;
export type RoleRecord = z.output<typeof roleRecord>;
export type PrincipalRecord = z.output<typeof principalRecord>;
export type PolicyRecord = z.output<typeof policyRecord>;
export type AccessKeyRecord = z.output<typeof accessKeyRecord>;
