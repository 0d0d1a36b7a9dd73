// How multi-Region keys relate to each other (AWS KMS Developer Guide, "Multi-Region keys in AWS KMS").
import type { MultiRegionConfiguration, MultiRegionKeyType } from '../../../proto/generated/messages.js';
import { KeyError } from '../errors.js';
import type { Namer } from '../identifiers.js';
import type { KeyRecord, RegionsRecord } from '../record.js';

/** The largest number of replicas of a key. */
export const mostReplicas = 15;

interface NamedKey {
  readonly arn: string;
  readonly record: KeyRecord;
}

type Related = Pick<KeyRecord, 'multiRegion' | 'regions'>;

/** Whether a key is the replica of a key in another Region. */
export function isReplica({ regions }: Pick<KeyRecord, 'regions'>): boolean {
  return regions?.role === 'REPLICA';
}

/** Whether a key is the primary key of replicas in other Regions. */
export function hasReplicas({ regions }: Pick<KeyRecord, 'regions'>): boolean {
  return regions?.role === 'PRIMARY' && regions.replicaRegions.length > 0;
}

/**
 * Checks that a key is no replica, whose shared properties only its primary key changes.
 * @throws KeyError (unsupported-operation) with AWS KMS's message for a replica key
 */
export function checkNoReplica({ arn, record }: NamedKey): void {
  if (isReplica(record)) throw noPrimary(arn, record);
}

/** Checks that a key is a multi-Region primary key. @throws KeyError (unsupported-operation) with AWS KMS's message */
export function checkPrimary({ arn, record }: NamedKey): void {
  if (!record.multiRegion || isReplica(record)) throw noPrimary(arn, record);
}

function noPrimary(arn: string, { regions }: KeyRecord): KeyError {
  const hint = regions ? ` Its primary key is in ${regions.primaryRegion}.` : '';
  return new KeyError('unsupported-operation', `${arn} is not a multi-region primary key.${hint}`);
}

/** The type of a multi-Region key. @returns undefined for a key of one Region */
export function multiRegionKeyTypeOf({ multiRegion, regions }: Related): MultiRegionKeyType | undefined {
  return multiRegion ? (regions?.role ?? 'PRIMARY') : undefined;
}

/** Returns what a multi-Region key knows of its relatives. @param region its own Region */
export function regionsOf({ regions }: Pick<KeyRecord, 'regions'>, region: string): RegionsRecord {
  return regions ?? { role: 'PRIMARY', primaryRegion: region, replicaRegions: [], revision: 0 };
}

/** Takes a replica key from what its primary key knows. */
export function withoutRegion(regions: RegionsRecord, region: string): RegionsRecord {
  const others = <Value>(values: Readonly<Record<string, Value>> | undefined) =>
    values && Object.fromEntries(Object.entries(values).filter(([name]) => name !== region));
  return {
    ...regions,
    replicaRegions: regions.replicaRegions.filter((each) => each !== region),
    confirmed: others(regions.confirmed),
    imported: others(regions.imported),
    movingTo: regions.movingTo === region ? undefined : regions.movingTo,
  };
}

/** Makes `MultiRegionConfiguration` of DescribeKey. @returns undefined for a key of one Region */
export function multiRegionConfiguration(
  record: KeyRecord,
  { account, region }: Namer,
): MultiRegionConfiguration | undefined {
  const multiRegionKeyType = multiRegionKeyTypeOf(record);
  if (!multiRegionKeyType) return undefined;
  const { primaryRegion, replicaRegions } = regionsOf(record, region);
  const related = (other: string) => ({
    arn: `arn:aws:kms:${other}:${account}:key/${record.keyId}`,
    region: other,
  });
  return {
    multiRegionKeyType,
    primaryKey: related(primaryRegion),
    replicaKeys: [...replicaRegions].sort().map(related),
  };
}
