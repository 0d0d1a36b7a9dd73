// The versions of managed policies ("Versioning IAM policies", IAM User Guide).
import type { RecordChange } from '../store/records/records.js';
import { type PolicyRecord, policyVersionsRecord } from './records.js';

/** Maximum number of versions that a managed policy has at a time, as in IAM. */
export const versionsPerPolicy = 5;

/** A version of a managed policy. */
export interface PolicyVersion {
  /** 1 and up: the ID of version 2 is `v2`. */
  readonly number: number;
  /** Epoch seconds. */
  readonly createdAt: number;
  /** Byte for byte as given. */
  readonly document: string;
}

/** All versions of a managed policy. */
export interface PolicyVersions {
  /** Number of the version that is in force. */
  readonly defaultVersion: number;
  /** The highest number so far, also of a version that was deleted. */
  readonly lastVersion: number;
  /** In ascending order. */
  readonly versions: readonly PolicyVersion[];
}

/** The key of the record with a policy's versions. */
export function versionsKey(policyName: string): string {
  return `policy-versions/${policyName}`;
}

/** Decodes the versions of a policy. @param text its record of versions; undefined: there was never another than v1 */
export function readVersions(
  { document, createdAt }: Pick<PolicyRecord, 'document' | 'createdAt'>,
  text: string | undefined,
): PolicyVersions {
  if (text === undefined)
    return { defaultVersion: 1, lastVersion: 1, versions: [{ number: 1, createdAt, document }] };
  const { versions, ...numbers } = policyVersionsRecord.parse(JSON.parse(text));
  return { ...numbers, versions: versions.map((version) => ({ document, ...version })) };
}

/** The change that stores the versions of a policy. Its own record must get the document of the default version. */
export function putVersions(
  policyName: string,
  { versions, defaultVersion, lastVersion }: PolicyVersions,
): RecordChange {
  const stored = versions.map(({ document, ...version }) => {
    return version.number === defaultVersion ? version : { ...version, document };
  });
  return {
    key: versionsKey(policyName),
    value: JSON.stringify({ defaultVersion, lastVersion, versions: stored }),
  };
}

/** Finds a version by its number. */
export function versionNumbered({ versions }: PolicyVersions, wanted: number): PolicyVersion | undefined {
  return versions.find(({ number }) => number === wanted);
}

/** Returns the ID of a version. */
export function versionId({ number }: Pick<PolicyVersion, 'number'>): string {
  return `v${number}`;
}
