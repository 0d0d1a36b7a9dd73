// The steps of an import, through a client.
import type { Client } from '../../client/index.js';
import type {
  AlgorithmSpec,
  ImportKeyMaterialRequest,
  KeyMetadata,
  KeySpec,
  KeyUsageType,
  WrappingKeySpec,
} from '../../proto/generated/messages.js';
import { wrap } from './wrapping.js';

export const doesNotExpire = { expirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' } as const;

export interface NewKey {
  readonly multiRegion?: boolean;
  readonly keySpec: KeySpec;
  readonly keyUsage: KeyUsageType;
}

export const symmetric: NewKey = { keySpec: 'SYMMETRIC_DEFAULT', keyUsage: 'ENCRYPT_DECRYPT' };

/** Creates a key without material. @returns its ID */
export async function newExternalKey(client: Client, key = symmetric): Promise<string> {
  return (await client.createKey({ ...key, origin: 'EXTERNAL' })).keyMetadata.keyId;
}

export async function describe(client: Client, keyId: string): Promise<KeyMetadata> {
  return (await client.describeKey({ keyId })).keyMetadata;
}

/** Gets the parameters for an import: the token, and a function that wraps material for it. */
export async function parametersFor(
  client: Client,
  keyId: string,
  wrappingAlgorithm: AlgorithmSpec = 'RSA_AES_KEY_WRAP_SHA_1',
  wrappingKeySpec: WrappingKeySpec = 'RSA_2048',
) {
  const got = await client.getParametersForImport({ keyId, wrappingAlgorithm, wrappingKeySpec });
  const [importToken, publicKey] = [got.importToken, got.publicKey];
  const send = (encryptedKeyMaterial: Uint8Array, more: Partial<ImportKeyMaterialRequest> = doesNotExpire) =>
    client.importKeyMaterial({ keyId, importToken, encryptedKeyMaterial, ...more });
  return {
    importToken,
    publicKey,
    wrap: (material: Buffer) => wrap(wrappingAlgorithm, publicKey, material),
    /** Imports material that is already wrapped. */
    send,
    /** Wraps and imports. @returns the material's ID */
    import: async (material: Buffer, more?: Partial<ImportKeyMaterialRequest>): Promise<string> =>
      (await send(wrap(wrappingAlgorithm, publicKey, material), more)).keyMaterialId!,
  };
}
