import { z } from 'zod';

/** Tags in IAM's format. */
const tags = z.array(z.strictObject({ key: z.string(), value: z.string() }));

/** The common members of users and roles. */
const identity = {
  /** `/`, or begins and ends with one. */
  path: z.string(),
  /** Epoch seconds. */
  createdAt: z.number(),
  tags,
  /** Names of the attached managed policies, in the order in which they were attached. */
  policies: z.array(z.string()),
  /** Name of the managed policy that is the permissions boundary. */
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
  /** The trust policy, byte for byte as given. */
  trustPolicy: z.string(),
  /** The unique IDs, by ARN, that the principals of the trust policy had when it was put. */
  trustBindings: z.record(z.string(), z.string()),
  /** Seconds. */
  maxSessionDuration: z.number(),
  ...identity,
});

/** `principal/<unique ID>`. Policies and grants bind to the ID, so a new principal with an old name inherits nothing. */
export const principalRecord = z.discriminatedUnion('type', [rootRecord, userRecord, roleRecord]);

/** `policy/<name>`: a managed policy. */
export const policyRecord = z.strictObject({
  policyId: z.string(),
  policyName: z.string(),
  path: z.string(),
  description: z.string().optional(),
  /** The document of the default version, byte for byte as given. */
  document: z.string(),
  /** Epoch seconds. */
  createdAt: z.number(),
});

/** `policy-versions/<name>`: the versions of a managed policy that has had more than one. Without it there is only v1. */
export const policyVersionsRecord = z.strictObject({
  /** Number of the default version. */
  defaultVersion: z.int().positive(),
  /** The highest number so far. Numbers are never used again. */
  lastVersion: z.int().positive(),
  /** In ascending order. */
  versions: z.array(
    z.strictObject({
      number: z.int().positive(),
      /** Epoch seconds. */
      createdAt: z.number(),
      /** Byte for byte as given. Absent for the default version, whose document is in the record of the policy. */
      document: z.string().optional(),
    }),
  ),
});

/** `access-key/<access key id>`. */
export const accessKeyRecord = z.strictObject({
  principalId: z.string(),
  active: z.boolean(),
  /** The secret access key under the HSM's key for secrets, bound to the access key id: IV, ciphertext, tag; base64. */
  secret: z.string(),
  createdAt: z.number(),
});

/** A tag of a user or role. */
export type IdentityTag = z.output<typeof tags>[number];
/** The record of a user. */
export type UserRecord = z.output<typeof userRecord>;
/** The record of a role. */
export type RoleRecord = z.output<typeof roleRecord>;
/** The record of a user, a role or the root. */
export type PrincipalRecord = z.output<typeof principalRecord>;
/** The record of a managed policy. */
export type PolicyRecord = z.output<typeof policyRecord>;
/** The record of an access key. */
export type AccessKeyRecord = z.output<typeof accessKeyRecord>;
