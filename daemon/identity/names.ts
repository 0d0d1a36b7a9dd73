// Unique ids and ARNs, as IAM forms them ("IAM identifiers", IAM User Guide).
import { randomInt } from 'node:crypto';

/** The letters that begin a unique id and tell what it names. */
const idPrefixes = {
  user: 'AIDA',
  role: 'AROA',
  policy: 'ANPA',
  accessKey: 'AKIA',
  session: 'ASIA',
} as const;

/** Characters after the prefix: as many as IAM's own ids have. */
const idLengths = { user: 17, role: 17, policy: 17, accessKey: 16, session: 16 } as const;

/** A new unique id, never used again: 80 or more random bits. */
export function uniqueId(kind: keyof typeof idPrefixes): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const letters = Array.from({ length: idLengths[kind] }, () => alphabet[randomInt(alphabet.length)]);
  return idPrefixes[kind] + letters.join('');
}

/** @param path `/`, or begins and ends with one */
export function identityArn(
  account: string,
  kind: 'user' | 'role' | 'policy',
  path: string,
  name: string,
): string {
  return `arn:aws:iam::${account}:${kind}${path}${name}`;
}

export function rootArn(account: string): string {
  return `arn:aws:iam::${account}:root`;
}

export function assumedRoleArn(account: string, roleName: string, sessionName: string): string {
  return `arn:aws:sts::${account}:assumed-role/${roleName}/${sessionName}`;
}

/** The name at the end of an ARN, after the path; '' where it has none. */
export function nameInArn(arn: string): string {
  return arn.includes('/') ? arn.slice(arn.lastIndexOf('/') + 1) : '';
}
