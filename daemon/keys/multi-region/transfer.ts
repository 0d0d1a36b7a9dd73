// Material of multi-Region keys between two Regions, through the link of their HSMs.
import { randomBytes } from 'node:crypto';
import { cipherSuites } from '../../../proto/formats/ciphertext.js';
import type { ImportTarget, KeyStore, ObjectId } from '../../hsm/key-store.js';
import type { MaterialStatement, SentMaterial } from '../../hsm/link-messages.js';
import { multiRegionRefusal } from '../../hsm/link-objects.js';
import { challengeOf } from '../../hsm/link-statements.js';
import type { Records } from '../../store/records/records.js';
import { KeyError } from '../errors.js';
import { importTarget } from '../import/wrapping.js';
import { importMaterial, type PendingMaterial } from '../material/intents.js';
import type { KeyRecord, MaterialProof, MaterialRecord } from '../record.js';
import { keySpecs } from '../specs/table.js';

type TravellingKey = Pick<KeyRecord, 'keyId' | 'keySpec' | 'keyUsage'>;

/**
 * Checks that material of a spec can leave or enter a token.
 * @throws KeyError (unsupported-operation) with the reason
 */
export function checkTravels({ traits }: Pick<KeyStore, 'traits'>, keySpec: KeyRecord['keySpec']): void {
  const refusal = multiRegionRefusal(traits, keySpec);
  if (refusal === undefined) return;
  throw new KeyError(
    'unsupported-operation',
    `This HSM cannot have multi-Region keys of spec ${keySpec}: ${refusal}.`,
  );
}

/** Returns how material that travels is stored in the HSM. */
export function travelTarget(key: TravellingKey): ImportTarget {
  const { template, ...rest } = importTarget(key);
  return { ...rest, template: { ...template, multiRegion: true } };
}

/** Wraps material for another Region. @throws HsmError */
export function sendMaterial(
  store: KeyStore,
  key: TravellingKey,
  { objectId }: Pick<MaterialRecord, 'objectId'>,
  statement: MaterialStatement,
): Promise<SentMaterial> {
  return store.wrapForLink(Buffer.from(objectId, 'hex'), travelTarget(key), statement);
}

/** Material that arrived, under an intent. */
export interface ArrivedMaterial {
  readonly pending: PendingMaterial;
  readonly material: Pick<MaterialRecord, 'materialId' | 'objectId' | 'suite'>;
}

/**
 * Unwraps material of another Region into the token, under an intent.
 * @param peerSigningKey SPKI in DER, of the link that the statement names
 * @throws HsmError; nothing is left in the HSM then
 */
export async function receiveMaterial(
  records: Records,
  store: KeyStore,
  key: TravellingKey,
  sent: SentMaterial,
  peerSigningKey: Buffer,
  statement: MaterialStatement,
): Promise<ArrivedMaterial> {
  const target = travelTarget(key);
  const pending = await importMaterial(records, store, `keyhold/${key.keyId}`, async (id, label) => {
    await store.unwrapFromLink(sent, peerSigningKey, statement, id, label, target);
    return { checkValue: sent.checkValue, leftHsm: false };
  });
  const objectId = pending.objectId.toString('hex');
  return { pending, material: { materialId: statement.materialId, objectId, suite: suiteOf(key.keySpec) } };
}

/** The cipher suite of material that travels. @returns undefined for keys that do not encrypt symmetrically */
export function suiteOf(keySpec: KeyRecord['keySpec']): MaterialRecord['suite'] {
  return keySpecs[keySpec].suites && cipherSuites.AES_256_GCM;
}

/** What a proof is about, but for the Region that makes it. */
type ProvedMaterial = Omit<Parameters<typeof challengeOf>[0], 'from'>;

/** Lets the HSM prove which material it has. @param from its Region @throws HsmError */
export async function proveMaterial(
  store: KeyStore,
  key: TravellingKey,
  id: ObjectId,
  statement: ProvedMaterial,
  from: string,
): Promise<MaterialProof> {
  const nonce = randomBytes(32);
  const challenge = challengeOf({ ...statement, from }, nonce);
  const answer = await store.proveMaterial(id, importTarget(key), challenge);
  return { from, nonce: nonce.toString('base64'), answer: answer.toString('base64') };
}

/** Whether the HSM has the material that another HSM proved to have. @throws HsmError */
export async function isProved(
  store: KeyStore,
  key: TravellingKey,
  id: ObjectId,
  statement: ProvedMaterial,
  { from, nonce, answer }: MaterialProof,
): Promise<boolean> {
  const challenge = challengeOf({ ...statement, from }, Buffer.from(nonce, 'base64'));
  const own = await store.proveMaterial(id, importTarget(key), challenge);
  return own.equals(Buffer.from(answer, 'base64'));
}
