import { z } from 'zod';

/** `principal/<unique id>`. Policies and grants bind to the id: one made anew under an old name inherits nothing. */
export interface PrincipalRecord {
  readonly type: 'Root';
  /** Epoch seconds. */
  readonly createdAt: number;
}

/** `access-key/<access key id>`. */
export const accessKeyRecord = z.strictObject({
  principalId: z.string(),
  active: z.boolean(),
  /** The secret access key under the HSM's key for secrets, bound to the access key id: IV, ciphertext, tag; base64. */
  secret: z.string(),
  createdAt: z.number(),
});

export type AccessKeyRecord = z.output<typeof accessKeyRecord>;
