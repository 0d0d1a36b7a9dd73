import type { StringMap } from '../proto/generated/messages.js';

export interface GenerateDataKey {
  readonly keyId: string;
  readonly keySpec: 'AES_256';
  readonly encryptionContext: StringMap;
}

export interface DecryptDataKey {
  readonly ciphertextBlob: Uint8Array;
  readonly encryptionContext: StringMap;
  /** The key that must have encrypted it; without it the key that the blob names. */
  readonly keyId?: string;
}

export interface DataKeyOptions {
  readonly signal?: AbortSignal;
  /** How many bytes the data key is going to protect, where that is known: what a cache counts. */
  readonly bytes?: number;
}

/**
 * Where data keys come from: a client of the daemon, or a cache before one. Whoever is handed a plaintext data key
 * owns it and wipes it.
 */
export interface DataKeySource {
  generateDataKey(
    request: GenerateDataKey,
    options?: DataKeyOptions,
  ): Promise<{ plaintext?: Uint8Array; ciphertextBlob?: Uint8Array; keyId?: string }>;
  decrypt(request: DecryptDataKey, options?: DataKeyOptions): Promise<{ plaintext?: Uint8Array }>;
}
