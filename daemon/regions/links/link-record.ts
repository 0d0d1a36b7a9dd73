// The records of links to other Regions.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { linkObjectId, linkRoles } from '../../hsm/link-objects.js';
import type { RecordChange, Records } from '../../store/records/records.js';

const base64 = z.base64();

/** What the ceremony told about the other Region. */
const peerOfLink = z.strictObject({
  /** `wss://host:port` */
  endpoint: z.string(),
  /** The pinned certificate, DER. */
  certificate: base64,
  /** SPKI in DER. */
  signingKey: base64,
  /** Epoch seconds. */
  completedAt: z.number(),
});

const generationOfLink = z.strictObject({
  generation: z.int().min(1).max(999_999),
  /** Epoch seconds. */
  createdAt: z.number(),
  /** This Region's certificate, DER. */
  certificate: base64,
  /** Its private key, PKCS #8 in DER, sealed under {@link linkSecretName}. */
  key: base64,
  /** Absent until the generation is complete. */
  peer: peerOfLink.optional(),
});

/** The schema of the record `region-link/<other Region>`. */
const regionLinkRecord = z.strictObject({
  region: z.string(),
  linkId: z.string(),
  /** Epoch seconds. */
  createdAt: z.number(),
  /** The oldest first. At most the last one is not complete. */
  generations: z.array(generationOfLink).min(1),
});

/** The record of a link. */
export type RegionLinkRecord = z.output<typeof regionLinkRecord>;
/** A generation of a link. */
export type LinkGenerationRecord = RegionLinkRecord['generations'][number];
/** A generation that is complete. */
export type CompleteGeneration = LinkGenerationRecord & Required<Pick<LinkGenerationRecord, 'peer'>>;

/** Prefix of the keys of these records. */
export const regionLinkPrefix = 'region-link/';

/** Returns the ID of the link between two Regions: the same whichever is named first. @returns 20 hexadecimal digits */
export function linkIdOf(one: string, other: string): string {
  const names = [one, other].sort().join('\n');
  return createHash('sha256').update(names).digest('hex').slice(0, 20);
}

/** Returns the name that the private key of a generation is sealed with. */
export function linkSecretName(region: string, generation: number): string {
  return `${regionLinkPrefix}${region}/${generation}`;
}

/** Finds the link to a Region. */
export function findRegionLink(records: Records, region: string): RegionLinkRecord | undefined {
  const text = records.get(regionLinkPrefix + region);
  return text === undefined ? undefined : regionLinkRecord.parse(JSON.parse(text));
}

/** Iterates over all links in the order of the Regions' names. */
export function* regionLinks(records: Records): Iterable<RegionLinkRecord> {
  for (const key of records.keys(regionLinkPrefix)) {
    const record = findRegionLink(records, key.slice(regionLinkPrefix.length));
    if (record) yield record;
  }
}

/** Returns the complete generations of a link, the newest first. */
export function completeGenerations(record: RegionLinkRecord | undefined): readonly CompleteGeneration[] {
  return (record?.generations ?? []).filter(isComplete).reverse();
}

/** Returns the generation that is prepared and not complete. */
export function preparedGeneration(record: RegionLinkRecord | undefined): LinkGenerationRecord | undefined {
  return record?.generations.find((each) => !isComplete(each));
}

/** Whether a generation is complete. */
export function isComplete(generation: LinkGenerationRecord): generation is CompleteGeneration {
  return generation.peer !== undefined;
}

/** Returns the change that stores the record of a link. */
export function putRegionLink(record: RegionLinkRecord): RecordChange {
  return { key: regionLinkPrefix + record.region, value: JSON.stringify(record) };
}

/** Returns the change that deletes the record of a link. */
export function deleteRegionLink(region: string): RecordChange {
  return { key: regionLinkPrefix + region, value: undefined };
}

/** Returns the CKA_IDs, in hex, of the objects of all links. */
export function linkObjects(records: Records): string[] {
  return [...regionLinks(records)].flatMap(({ linkId, generations }) =>
    generations.flatMap(({ generation }) =>
      linkRoles.map((role) => linkObjectId({ link: linkId, generation }, role).toString('hex')),
    ),
  );
}
