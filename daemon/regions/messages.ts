// What linked Regions ask of each other about multi-Region keys: a schema for each request and its answer.
import { z } from 'zod';
import { materialProof, sharedProperties } from '../keys/index.js';
import { PeerError, type Peers } from './peer.js';

const keyId = z.string().regex(/^mrk-[0-9a-f]{32}$/);
const materialId = z.string().regex(/^[0-9a-f]{64}$/);
const creationId = z.uuid();
const bytes = (longest: number) =>
  z
    .base64()
    .max(Math.ceil((longest * 4) / 3) + 4)
    .transform((text) => Buffer.from(text, 'base64'));

/** In whose name a request is made: a principal that has the same name in both Regions of the account. */
const caller = z.strictObject({
  arn: z.string().max(2_048),
  /** Absent: the caller is on the machine of the other Region. */
  sourceAddress: z.string().max(64).optional(),
  userAgent: z.string().max(1_024),
});

const sentMaterial = z.strictObject({
  materialId,
  /** Of the link whose keys wrapped it. */
  generation: z.number().int().positive(),
  wrapped: bytes(8_192),
  checkValue: bytes(1_024),
  signature: bytes(256),
});

/** The requests, by name. */
export const peerMessages = {
  /** Creates a replica key without its material. */
  CreateReplicaKey: {
    request: z.strictObject({
      creationId,
      properties: sharedProperties,
      caller,
      description: z.string().max(8_192),
      policy: z.string().max(131_072).optional(),
      bypassPolicyLockoutSafetyCheck: z.boolean(),
      tags: z.array(z.strictObject({ tagKey: z.string().max(128), tagValue: z.string().max(256) })).max(200),
    }),
    response: z.strictObject({ createdAt: z.number(), policy: z.string().max(131_072) }),
  },
  /** Removes a replica key whose creation the primary Region did not record. */
  AbandonReplicaKey: { request: z.strictObject({ keyId, creationId }), response: z.strictObject({}) },
  /** Tells a replica key the properties that it shares with its primary key. */
  SynchronizeKey: {
    request: z.strictObject({
      properties: sharedProperties,
      proofs: z.record(materialId, materialProof),
      materials: z.array(sentMaterial).max(1_000),
    }),
    /** The materials that the replica lacks; empty once it has the properties. */
    response: z.strictObject({ wants: z.array(materialId).max(1_000) }),
  },
  /** Asks whether a replica key may become the primary key. */
  PreparePrimary: { request: z.strictObject({ keyId, caller }), response: z.strictObject({}) },
  /** Tells the primary Region which imported materials a replica key has. */
  ReplicaMaterials: {
    request: z.strictObject({ keyId, present: z.array(materialId).max(1_000) }),
    response: z.strictObject({}),
  },
  /** Tells the primary Region that a replica key was deleted. */
  ReplicaKeyDeleted: { request: z.strictObject({ keyId }), response: z.strictObject({}) },
} as const satisfies Record<string, { readonly request: z.ZodType; readonly response: z.ZodType }>;

/** The name of a request. */
export type PeerMessageName = keyof typeof peerMessages;
/** A request as its receiver gets it. */
export type PeerRequest<Name extends PeerMessageName> = z.output<(typeof peerMessages)[Name]['request']>;
/** A request as it is sent: bytes in base64. */
export type SentRequest<Name extends PeerMessageName> = z.input<(typeof peerMessages)[Name]['request']>;
/** The answer to a request. */
export type PeerResponse<Name extends PeerMessageName> = z.output<(typeof peerMessages)[Name]['response']>;

/**
 * Sends a request to another Region.
 * @throws PeerError
 */
export async function ask<Name extends PeerMessageName>(
  peers: Peers,
  region: string,
  name: Name,
  request: SentRequest<Name>,
): Promise<PeerResponse<Name>> {
  const answer = peerMessages[name].response.safeParse(await peers.request(region, name, request));
  if (answer.success) return answer.data as PeerResponse<Name>;
  throw new PeerError('unknown', region, `The Region ${region} gave an answer that is not of ${name}.`);
}
