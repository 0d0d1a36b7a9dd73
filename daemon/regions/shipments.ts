// What a primary key sends beside its properties: wrapped material, and proofs of imported material.
import { type Key, type MaterialProof, materialsOf, proveMaterial, sendMaterial } from '../keys/index.js';
import { PeerError } from './peer.js';
import type { SynchronizerParts } from './synchronizer-parts.js';

type Parts = Pick<SynchronizerParts, 'peers' | 'stores'>;

/** Lets the HSM prove which imported materials it has, so that the other Region recognizes them. */
export async function materialProofs(
  { peers, stores }: Parts,
  key: Key,
  to: string,
): Promise<Record<string, MaterialProof>> {
  if (key.record.origin !== 'EXTERNAL') return {};
  const store = stores.of(key);
  const { keyId, keySpec, keyUsage } = key.record;
  const proofs: Record<string, MaterialProof> = {};
  for (const { materialId, objectId, imported } of materialsOf(key.record)) {
    if (!imported?.present) continue;
    const statement = { to, keyId, materialId, keySpec, keyUsage };
    const id = Buffer.from(objectId, 'hex');
    proofs[materialId] = await proveMaterial(store, key.record, id, statement, peers.own);
  }
  return proofs;
}

/** Wraps one material of a key for another Region. @throws PeerError if the key does not have it; HsmError */
export async function shipment({ peers, stores }: Parts, key: Key, to: string, materialId: string) {
  const { keyId, keySpec, keyUsage } = key.record;
  const link = peers.linkTo(to);
  const material = materialsOf(key.record).find((each) => each.materialId === materialId);
  if (!link || !material)
    throw new PeerError('refused', to, `The Region ${to} asked for material that ${key.arn} does not have.`);
  const { linkId, generation } = link;
  const statement = { link: linkId, generation, from: peers.own, to, keyId, materialId, keySpec, keyUsage };
  const { wrapped, checkValue, signature } = await sendMaterial(
    stores.of(key),
    key.record,
    material,
    statement,
  );
  return {
    materialId,
    generation,
    wrapped: wrapped.toString('base64'),
    checkValue: checkValue.toString('base64'),
    signature: signature.toString('base64'),
  };
}
