// What PrepareRegionLink and CompleteRegionLink refuse.
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { exceptions } from '../../../proto/errors.js';
import type { LinkGeneration } from '../../hsm/link-messages.js';
import { linkObjectId, linkRoles } from '../../hsm/link-objects.js';
import type { Services } from '../../pipeline/operation.js';
import {
  completeGenerations,
  findRegionLink,
  type LinkGenerationRecord,
  preparedGeneration,
  type RegionLinkRecord,
  regionLinks,
} from '../../regions/links/link-record.js';

/** How many Regions may be linked. */
const mostLinks = 32;
/** How many generations of a link may be complete. More than two means that the other side never completed one. */
const mostGenerations = 4;

/** Checks that this Region can be linked to another one. @returns where others reach this Region @throws ServiceError */
export function checkLinkable({ regions, stores, records }: Services, peerRegion: string): string {
  if (regions.endpoint === undefined)
    throw new exceptions.UnsupportedOperationException(
      "This Region has no port for other Regions: add the section 'regions' to keyhold.yaml and restart the daemon.",
    );
  if (peerRegion === regions.own)
    throw new exceptions.ValidationException(
      `${peerRegion} is this Region itself: name the other one. The two must have different names (region in keyhold.yaml).`,
    );
  const { refused } = stores.main.traits.multiRegion;
  if (refused !== undefined)
    throw new exceptions.UnsupportedOperationException(
      `The HSM of this Region cannot be linked: ${refused}. See its profile, multiRegion.`,
    );
  if (!findRegionLink(records, peerRegion) && [...regionLinks(records)].length >= mostLinks)
    throw new exceptions.LimitExceededException(
      `There are ${mostLinks} links to other Regions already, which is the limit.`,
    );
  return regions.endpoint;
}

/**
 * Decides which generation is prepared next.
 * @param wanted the one that the request names
 * @throws ValidationException, LimitExceededException
 */
export function nextGeneration(record: RegionLinkRecord | undefined, wanted: number | undefined): number {
  const complete = completeGenerations(record);
  const newest = complete[0]?.generation ?? 0;
  if (complete.length >= mostGenerations)
    throw new exceptions.LimitExceededException(
      `${mostGenerations} generations of the link to ${record!.region} are complete on this side and none was used by both. ` +
        `End the link on both sides (keyhold region unlink) and make it anew.`,
    );
  if (wanted !== undefined && wanted <= newest)
    throw new exceptions.ValidationException(
      `Generation ${newest} of the link to ${record!.region} is complete here. ` +
        `Give a greater one on both sides: --generation ${newest + 1}.`,
    );
  return wanted ?? preparedGeneration(record)?.generation ?? newest + 1;
}

/** Finds the generation that is to be completed. @throws KMSInvalidStateException */
export function generationToComplete(
  { records }: Services,
  peerRegion: string,
  generation: number,
): { readonly record: RegionLinkRecord; readonly prepared: LinkGenerationRecord } {
  const record = findRegionLink(records, peerRegion);
  const prepared = record?.generations.find((each) => each.generation === generation);
  if (record && prepared) return { record, prepared };
  const other = preparedGeneration(record)?.generation;
  throw new exceptions.KMSInvalidStateException(
    `Generation ${generation} of the link to ${peerRegion} is not prepared` +
      (other === undefined ? '' : `, but generation ${other} is`) +
      '. Begin with keyhold region link.',
  );
}

/** Checks that the ceremony left the keys of a link in the token. @throws KMSInvalidStateException, HsmError */
export async function checkLinkKeys(
  { stores }: Services,
  peerRegion: string,
  link: LinkGeneration,
): Promise<void> {
  await stores.main.refreshLink(link);
  const found = await Promise.all(linkRoles.map((role) => stores.main.exists(linkObjectId(link, role))));
  const missing = linkRoles.filter((_role, at) => !found[at]);
  if (missing.length === 0) return;
  throw new exceptions.KMSInvalidStateException(
    `The HSM lacks keys of generation ${link.generation} of the link to ${peerRegion} (${missing.join(', ')}). ` +
      'The ceremony makes them: keyhold region link.',
  );
}

/** Checks what the ceremony told about the other Region. @throws ValidationException */
export function checkPeer(
  { records }: Services,
  peerRegion: string,
  peer: { readonly endpoint: string; readonly certificate: Uint8Array; readonly signingKey: Uint8Array },
): void {
  checkEndpoint(peer.endpoint);
  checkCurve('Certificate', () => new X509Certificate(peer.certificate).publicKey);
  const der = Buffer.from(peer.signingKey);
  checkCurve('SigningKey', () => createPublicKey({ key: der, type: 'spki', format: 'der' }));
  const certificate = Buffer.from(peer.certificate).toString('base64');
  for (const link of regionLinks(records))
    for (const each of link.generations) {
      if (each.certificate === certificate)
        throw new exceptions.ValidationException(
          'Certificate is the one of this Region: give that of the other.',
        );
      if (link.region !== peerRegion && each.peer?.certificate === certificate)
        throw new exceptions.ValidationException(`Certificate is the one of another Region, ${link.region}.`);
    }
}

function checkEndpoint(endpoint: string): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url?.protocol === 'wss:' && url.pathname === '/' && url.username === '' && url.hostname !== '') return;
  throw new exceptions.ValidationException(
    "Endpoint consists of wss://, a host and a port, such as 'wss://keyhold.example.com:7445'.",
  );
}

function checkCurve(member: string, read: () => KeyObject): void {
  let curve: string | undefined;
  try {
    curve = read().asymmetricKeyDetails?.namedCurve;
  } catch {
    // Not DER of what it should be: it has no curve.
  }
  if (curve !== 'prime256v1')
    throw new exceptions.ValidationException(
      `${member} is not what a Keyhold shows in a ceremony: a key on P-256.`,
    );
}
