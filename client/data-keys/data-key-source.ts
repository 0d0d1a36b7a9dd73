import type { StringMap } from '../../proto/generated/messages.js';

/** The request for a new data key. */
export interface GenerateDataKey {
  readonly keyId: string;
  readonly keySpec: 'AES_256';
  readonly encryptionContext: StringMap;
}

/** The request for the plaintext of a data key. */
export interface DecryptDataKey {
  readonly ciphertextBlob: Uint8Array;
  readonly encryptionContext: StringMap;
  /** The key that must have encrypted it; the key that the blob names if not given. */
  readonly keyId?: string;
}

/** Options of a request for a data key. */
export interface DataKeyOptions {
  /** Ends the wait. */
  readonly signal?: AbortSignal;
  /** How many bytes the data key will protect, if that is known. A cache counts them. */
  readonly bytes?: number;
}

/**
 * Where data keys come from: a client, or a cache in front of it. Whoever receives a plaintext data key owns it and wipes it.
 */
export interface DataKeySource {
  /** Returns a new data key: its plaintext of 32 bytes, and the same encrypted. */
  generateDataKey(
    request: GenerateDataKey,
    options?: DataKeyOptions,
  ): Promise<{ plaintext: Uint8Array; ciphertextBlob: Uint8Array; keyId?: string }>;
  /** Returns the plaintext of a data key. */
  decrypt(request: DecryptDataKey, options?: DataKeyOptions): Promise<{ plaintext: Uint8Array }>;
}
