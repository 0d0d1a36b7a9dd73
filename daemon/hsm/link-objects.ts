// The token objects of a link between two Regions: their labels and CKA_IDs. The ceremony makes them, HSM jobs use them.
import { createHash } from 'node:crypto';
import { cipherSuites } from '../../proto/formats/ciphertext.js';
import { HsmError, type ObjectId } from './key-store.js';
import type { StoreTraits } from './token-description.js';
import type { LinkGeneration } from './link-messages.js';

/**
 * The keys of one generation in one Region's token. `send` wraps material for the peer, `receive` unwraps the peer's, and
 * `signing` is the pair whose signatures tell the peer where wrapped material comes from.
 */
export type LinkRole = 'send' | 'receive' | 'signing';

/** All roles. */
export const linkRoles: readonly LinkRole[] = ['send', 'receive', 'signing'];

const linkIds = /^[a-z0-9-]{1,32}$/;
const labels = /^keyhold\/link\/(?<link>[a-z0-9-]{1,32})\/(?<generation>[1-9]\d{0,5})\/(?<role>\w+)$/;
const lastGeneration = 999_999;

/** Returns the CKA_LABEL of a key of a link. @throws HsmError 'internal' for a name that is none */
export function linkLabel({ link, generation }: LinkGeneration, role: LinkRole): string {
  if (!linkIds.test(link) || !Number.isInteger(generation) || generation < 1 || generation > lastGeneration)
    throw new HsmError(
      'internal',
      `'${link}', generation ${generation}, names no link: an ID has 1 to 32 of a-z, 0-9 and -.`,
    );
  return `keyhold/link/${link}/${generation}/${role}`;
}

/** Returns the CKA_ID of a key of a link, 16 bytes: it follows from the label, so it is known before the key exists. */
export function linkObjectId(generation: LinkGeneration, role: LinkRole): ObjectId {
  return createHash('sha256').update(linkLabel(generation, role)).digest().subarray(0, 16);
}

/** Reads a label of {@link linkLabel}. @returns undefined for any other label */
export function parseLinkLabel(label: string): (LinkGeneration & { readonly role: LinkRole }) | undefined {
  const { link, generation, role } = labels.exec(label)?.groups ?? {};
  const known = linkRoles.find((each) => each === role);
  return link === undefined || known === undefined
    ? undefined
    : { link, generation: Number(generation), role: known };
}

/**
 * Why a token cannot have a multi-Region key of a spec.
 * @returns a sentence without a full stop; undefined if nothing speaks against it
 */
export function multiRegionRefusal(
  { suite, multiRegion: { refused, lacks } }: Pick<StoreTraits, 'suite' | 'multiRegion'>,
  keySpec: string,
): string | undefined {
  if (refused !== undefined) return refused;
  if (keySpec === 'SYMMETRIC_DEFAULT' && suite === cipherSuites.AES_256_CBC_HMAC_SHA_256)
    return 'keys of AES_256_CBC_HMAC_SHA_256 consist of two objects, which do not travel together';
  return lacks.find((lack) => lack.keySpec === keySpec)?.reason;
}
