// Unique IDs and ARNs in IAM's format ("IAM identifiers", IAM User Guide).
import { randomInt } from 'node:crypto';

/** The prefixes of unique IDs. */
const idPrefixes = {
  user: 'AIDA',
  role: 'AROA',
  policy: 'ANPA',
  accessKey: 'AKIA',
  session: 'ASIA',
} as const;

/** Number of characters after the prefix, as in IAM's IDs. */
const idLengths = { user: 17, role: 17, policy: 17, accessKey: 16, session: 16 } as const;

/** Makes a unique ID with at least 80 random bits. */
export function uniqueId(kind: keyof typeof idPrefixes): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const letters = Array.from({ length: idLengths[kind] }, () => alphabet[randomInt(alphabet.length)]);
  return idPrefixes[kind] + letters.join('');
}

/** Makes the ARN of a user, role or managed policy. @param path `/`, or begins and ends with one */
export function identityArn(
  account: string,
  kind: 'user' | 'role' | 'policy',
  path: string,
  name: string,
): string {
  return `arn:aws:iam::${account}:${kind}${path}${name}`;
}

/** Makes the ARN of the account root. */
export function rootArn(account: string): string {
  return `arn:aws:iam::${account}:root`;
}

/** Makes the ARN of a session of a role. */
export function assumedRoleArn(account: string, roleName: string, sessionName: string): string {
  return `arn:aws:sts::${account}:assumed-role/${roleName}/${sessionName}`;
}

/** Returns the name at the end of an ARN, after the path; '' if there is none. */
export function nameInArn(arn: string): string {
  return arn.includes('/') ? arn.slice(arn.lastIndexOf('/') + 1) : '';
}
