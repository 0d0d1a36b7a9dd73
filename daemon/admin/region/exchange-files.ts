// The files that the two sides of a ceremony give each other. None holds a secret: an offer has public keys, and a sealed
// transport key is of use to the peer's HSM alone. The fingerprint, which people compare, covers both offers.
import { z } from 'zod';
import type { LinkOffer, SealedTransportKey } from '../../hsm/link-messages.js';

/** The largest file that is read, in bytes. An offer has some 3,000. */
export const largestFile = 16_384;

const bytes = (most: number) =>
  z
    .base64()
    .min(4)
    .max(most)
    .transform((text): Buffer => Buffer.from(text, 'base64'));

const name = z
  .string()
  .regex(/^[a-z]{2}(-[a-z]+)+-[0-9]$/)
  .max(64);
const generation = z.int().min(1).max(999_999);

const offerSchema = z.strictObject({
  link: z.string().regex(/^[a-z0-9-]{1,32}$/),
  generation,
  region: name,
  /** What a terminal shows: nothing else may be in it. */
  endpoint: z
    .string()
    .max(300)
    .regex(/^wss:\/\/[A-Za-z0-9.:[\]-]+$/),
  certificate: bytes(8_192),
  wrappingKey: bytes(2_048),
  signingKey: bytes(512),
}) satisfies z.ZodType<LinkOffer>;

const sealedSchema = z.strictObject({
  /** The fingerprint of the two offers that it belongs to, so that one of an earlier ceremony is told apart. */
  fingerprint: z.string().max(64),
  region: name,
  wrapped: bytes(2_048),
  signature: bytes(256),
}) satisfies z.ZodType<SealedTransportKey>;

/** A transport key, sealed in the ceremony with a fingerprint. */
export type SealedFile = z.output<typeof sealedSchema>;

/** The kinds of files, which are the extensions of their names, and what each holds. */
interface Contents {
  readonly offer: LinkOffer;
  readonly sealed: SealedFile;
}
export type FileKind = keyof Contents;

const kinds = {
  offer: {
    schema: offerSchema,
    title: (own: string, peer: string) =>
      `Keyhold: what ${own} offers ${peer} in the ceremony of their link.`,
  },
  sealed: {
    schema: sealedSchema,
    title: (own: string, peer: string) =>
      `Keyhold: the transport key of ${own}, sealed for the HSM of ${peer} in the ceremony of their link.`,
  },
} as const;

/** The name of a file in the exchange folder. */
export function fileName(region: string, number: number, kind: FileKind): string {
  return `${region}-${number}.${kind}`;
}

/** Encodes a file: a line for people, and JSON. */
export function encodeFile<Kind extends FileKind>(
  kind: Kind,
  [own, peer]: readonly [own: string, peer: string],
  content: Contents[Kind],
): string {
  const json = JSON.stringify(
    content,
    (_name, value: unknown) => {
      const { type, data } = (value ?? {}) as { type?: unknown; data?: readonly number[] };
      return type === 'Buffer' && data ? Buffer.from(data).toString('base64') : value;
    },
    2,
  );
  return `${kinds[kind].title(own, peer)} It holds no secret.\n${json}\n`;
}

/** Decodes a file. @returns undefined if it is none of that kind, or not complete */
export function decodeFile<Kind extends FileKind>(kind: Kind, text: string): Contents[Kind] | undefined {
  const end = text.indexOf('\n');
  if (!text.startsWith('Keyhold: ') || end === -1) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text.slice(end + 1));
  } catch {
    return undefined;
  }
  return kinds[kind].schema.safeParse(json).data as Contents[Kind] | undefined;
}
