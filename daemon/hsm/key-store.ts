// The interface to one token. hsm/pool implements it with worker processes; callers never see PKCS#11 handles.
import type { CipherSuite } from '../../proto/formats/ciphertext.js';
import type { LinkGeneration, MaterialStatement, SentMaterial } from './link-messages.js';
import type { KeyStoreStatistics } from './statistics.js';
import type { TokenDescription } from './token-description.js';

/**
 * The CKA_ID of an object (of both objects of a pair), which the material's record names: 16 random bytes if Keyhold
 * created the object, 1 to 64 bytes if it was adopted.
 */
export type ObjectId = Buffer;

/** PKCS#11 attributes as [CKA number, value]; byte values are hex strings. */
export type Attributes = readonly (readonly [type: number, value: boolean | number | string])[];

/**
 * How to generate key material. The worker adds the attributes that every object of Keyhold has: CKA_TOKEN, CKA_PRIVATE and
 * CKA_SENSITIVE true, CKA_EXTRACTABLE false, CKA_ID and CKA_LABEL.
 */
export interface KeyTemplate {
  /** A CKM number, such as CKM_AES_KEY_GEN. */
  readonly mechanism: number;
  /** Of the secret key, or of the private key of a pair. */
  readonly attributes: Attributes;
  /** Of the public key; its presence makes this a pair. */
  readonly publicAttributes?: Attributes;
  /** The HMAC key beside this AES key (AES_256_CBC_HMAC_SHA_256); it has the same CKA_ID and label. */
  readonly macKey?: KeyTemplate;
  /** Session objects, visible only to the worker that made them; they end with {@link KeyStore.destroy} or its session. */
  readonly ofSession?: boolean;
  /**
   * Material of a multi-Region key: CKA_EXTRACTABLE is true, and so is CKA_WRAP_WITH_TRUSTED, which leaves wrapping to the
   * keys of a link.
   */
  readonly multiRegion?: boolean;
}

/** A PKCS#11 mechanism by its CKM number. */
export interface Mechanism {
  readonly type: number;
  /** CK_RSA_PKCS_PSS_PARAMS. */
  readonly pss?: {
    /** CKM number of the hash that made the digest. */
    readonly hash: number;
    /** CKG number. */
    readonly mgf: number;
    /** In bytes. */
    readonly saltLength: number;
  };
}

/**
 * Conversion of a signature between PKCS#11's form and the API's, done in the worker. The number is the length in bytes of
 * r and of s, which is that of the curve's order.
 */
export type Conversion = 'none' | 'ecdsa-der-32' | 'ecdsa-der-48' | 'ecdsa-der-66';

/** RSAES-OAEP (RFC 8017, section 7.1) with an empty label, without IV and additional authenticated data. */
export type RsaCipher = 'rsa-oaep-sha1' | 'rsa-oaep-sha256';

/** A key and its cipher suite. */
export interface CipherKey {
  readonly suite: CipherSuite | RsaCipher;
  readonly id: ObjectId;
}

/** An encrypted message. */
export interface Ciphertext {
  /** 12 bytes with AES_256_GCM, 16 with AES_256_CBC_HMAC_SHA_256, drawn from the HSM for this message; empty with RSA. */
  readonly iv: Buffer;
  /** The ciphertext with its tag of 16 (GCM) or 32 bytes (HMAC); with RSA as many bytes as the modulus. */
  readonly ciphertext: Buffer;
}

/**
 * How key material is wrapped under an RSA key pair of the HSM: directly by RSAES-OAEP, or by AES key wrap with padding
 * (RFC 5649) under an AES key that precedes it and is itself wrapped by RSAES-OAEP (CKM_RSA_AES_KEY_WRAP of PKCS #11 v2.40).
 */
export interface Wrapping {
  /** The hash of RSAES-OAEP and of its MGF1. */
  readonly hash: 'sha1' | 'sha256';
  /** Whether an AES key wraps the material. */
  readonly aes: boolean;
}

/** The key that imported material becomes, and the requirements on the material. */
export interface ImportTarget {
  /** As for generation. The modulus length or the curve of a pair must be that of the material. */
  readonly template: KeyTemplate;
  /** Of a secret key: its shortest and longest length in bytes, and the MAC that it is for; absent for an AES key. */
  readonly secret?: { readonly shortest: number; readonly longest: number; readonly mac?: Mechanism };
}

/** The result of an import. */
export interface ImportedMaterial {
  /** Identifies the material: 32 bytes of ciphertext, a MAC, or SubjectPublicKeyInfo in DER, computed by the HSM. */
  readonly checkValue: Buffer;
  /** Whether the material or the AES key that wrapped it was in a worker's memory, because the module cannot unwrap it. */
  readonly leftHsm: boolean;
}

/** A key pair for use outside the HSM, its private key encrypted under a key of the HSM. */
export interface DataKeyPair extends Ciphertext {
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Buffer;
}

/** A shared secret and its encapsulation. */
export interface Encapsulated {
  readonly ciphertext: Buffer;
  /** 32 bytes. */
  readonly secret: Buffer;
}

/** Attribute values by CKA number. */
export type InspectedObject = ReadonlyMap<number, Buffer>;

/** State of the connection to the token. `login-refused`: no login until an operator has corrected the PIN. */
export type KeyStoreState = 'connecting' | 'connected' | 'disconnected' | 'login-refused' | 'closed';

/**
 * One token. Every method rejects with {@link HsmError} only. The caller wipes results that contain secrets.
 */
export interface KeyStore extends TokenDescription {
  /** `default`, or the ID of a custom key store. */
  readonly name: string;
  readonly state: KeyStoreState;
  /** Whether every logged-in worker has been in the same call for seconds. */
  readonly hangs: boolean;
  /** Workers that should be there, that are logged in, and that have jobs now. */
  readonly workers: { readonly wanted: number; readonly ready: number; readonly busy: number };
  /** For metrics. */
  readonly statistics: KeyStoreStatistics;

  /**
   * Generates a key or pair as token objects.
   * @param id CKA_ID, 16 bytes
   * @param label CKA_LABEL, at most 64 bytes of UTF-8
   * @throws HsmError 'unsupported', 'token-full', 'read-only'
   */
  generate(id: ObjectId, label: string, template: KeyTemplate): Promise<void>;
  /**
   * Unwraps key material into token objects like those of {@link generate}, including the public key of a pair.
   * @param wrappingKey CKA_ID of an RSA pair whose private key may unwrap and, for SHA-256, decrypt
   * @param wrapped the wrapped material: raw bytes of a secret key, PKCS #8 in DER of a private key
   * @param id CKA_ID of the new objects, 16 bytes
   * @param label their CKA_LABEL, at most 64 bytes of UTF-8
   * @throws HsmError 'invalid-ciphertext' for any fault of the wrapped bytes; 'incorrect-key-material' if they unwrap to
   * something that does not fit the target. No object is left then.
   */
  importWrapped(
    wrappingKey: ObjectId,
    wrapping: Wrapping,
    wrapped: Buffer,
    id: ObjectId,
    label: string,
    target: ImportTarget,
  ): Promise<ImportedMaterial>;
  /** Like {@link importWrapped}, for material in the clear, which the caller wipes. */
  importPlaintext(
    material: Buffer,
    id: ObjectId,
    label: string,
    target: ImportTarget,
  ): Promise<ImportedMaterial>;
  /**
   * Wraps material of a multi-Region key for the peer of a link, and signs what it is.
   * @param id CKA_ID of the material
   * @param target the key that it is
   * @throws HsmError 'no-such-object' for the material or the keys of the link; 'unsupported' if the module does not wrap
   * keys of this kind, or the material is of no multi-Region key
   */
  wrapForLink(id: ObjectId, target: ImportTarget, statement: MaterialStatement): Promise<SentMaterial>;
  /**
   * Verifies and unwraps material from the peer of a link into token objects like those of {@link generate}.
   * @param peerSigningKey SPKI in DER, from the peer's offer
   * @param statement what the receiver expects
   * @param id CKA_ID of the new objects, 16 bytes
   * @param label their CKA_LABEL, at most 64 bytes of UTF-8
   * @param target its template says `multiRegion`
   * @throws HsmError 'invalid-ciphertext' if the signature or the wrapped bytes are wrong; 'incorrect-key-material' if they
   * unwrap to other material than the peer sent. No object is left then.
   */
  unwrapFromLink(
    sent: SentMaterial,
    peerSigningKey: Buffer,
    statement: MaterialStatement,
    id: ObjectId,
    label: string,
    target: ImportTarget,
  ): Promise<void>;
  /**
   * Proves which material the HSM holds. Two Regions with equal proofs of one challenge hold the same.
   * @param challenge 32 bytes, of challengeOf
   * @returns of a secret key a MAC or ciphertext of the challenge, of a pair the public key: SPKI in DER
   */
  proveMaterial(id: ObjectId, target: ImportTarget, challenge: Buffer): Promise<Buffer>;
  /** Makes the keys of a link, which a ceremony created in the token, visible in every worker. */
  refreshLink(generation: LinkGeneration): Promise<void>;
  /** Destroys every key object with a CKA_ID, after every worker has dropped its copy. Succeeds if there is none. */
  destroy(id: ObjectId): Promise<void>;
  /** @returns the public key of a pair: SubjectPublicKeyInfo in DER (RFC 5280, section 4.1.2.7) */
  publicKey(id: ObjectId): Promise<Buffer>;
  /** Asks the token whether it has an object with a CKA_ID. */
  exists(id: ObjectId): Promise<boolean>;

  /**
   * Reads attributes of token objects.
   * @param match attributes of the objects to read; byte values in hex
   * @param types CKA numbers of the attributes to read
   * @returns for each object the attributes that it has and shows, in the module's own encoding
   */
  inspect(match: Attributes, types: readonly number[]): Promise<readonly InspectedObject[]>;
  /**
   * Makes externally created objects with a CKA_ID visible in every worker. Some modules hide objects of other processes
   * from a process that writes; such a worker is replaced.
   */
  refreshObject(id: ObjectId): Promise<void>;

  /** Generates random bytes in the HSM. @param length 1 to 1,024 bytes */
  random(length: number): Promise<Buffer>;
  /**
   * Encrypts a message.
   * @param aad additional authenticated data; empty with RSA
   * @param plaintext with RSA at most k − 2·hash − 2 bytes, k being the modulus length in bytes
   * @throws HsmError 'plaintext-too-long', 'no-such-object'
   */
  encrypt(key: CipherKey, aad: Buffer, plaintext: Buffer): Promise<Ciphertext>;
  /**
   * Decrypts a message.
   * @param aad as for encryption
   * @returns the plaintext, which the caller wipes
   * @throws HsmError 'invalid-ciphertext' for any fault of the message, 'no-such-object'
   */
  decrypt(key: CipherKey, aad: Buffer, message: Ciphertext): Promise<Buffer>;
  /**
   * Decrypts under one key and encrypts under another; the plaintext never leaves the worker.
   * @throws HsmError as {@link decrypt} and {@link encrypt}
   */
  reEncrypt(
    source: CipherKey,
    sourceAad: Buffer,
    message: Ciphertext,
    destination: CipherKey,
    destinationAad: Buffer,
  ): Promise<Ciphertext>;
  /** Generates random bytes and returns them both in the clear and encrypted. @param length 1 to 1,024 bytes */
  dataKey(key: CipherKey, aad: Buffer, length: number): Promise<Ciphertext & { readonly plaintext: Buffer }>;
  /** Like {@link dataKey}; the plaintext never leaves the worker. */
  dataKeyWithoutPlaintext(key: CipherKey, aad: Buffer, length: number): Promise<Ciphertext>;
  /**
   * Generates a pair in the HSM for use outside it, as session objects that are destroyed before this resolves.
   * @param key encrypts the private key
   * @param template mechanism and parameters of the pair, without usages
   * @returns the pair, with the private key also in the clear as PKCS #8 (RFC 5958) in DER
   * @throws HsmError 'unsupported' if the module generates no private keys that can be read
   */
  dataKeyPair(
    key: CipherKey,
    aad: Buffer,
    template: KeyTemplate,
  ): Promise<DataKeyPair & { readonly privateKey: Buffer }>;
  /** Like {@link dataKeyPair}; the private key never leaves the worker unencrypted. */
  dataKeyPairWithoutPlaintext(key: CipherKey, aad: Buffer, template: KeyTemplate): Promise<DataKeyPair>;
  /**
   * Makes a signature or MAC.
   * @param data the message or its digest, depending on the mechanism
   * @returns the signature or MAC in the API's form
   */
  sign(id: ObjectId, mechanism: Mechanism, conversion: Conversion, data: Buffer): Promise<Buffer>;
  /**
   * Verifies a signature or MAC.
   * @param data as for {@link sign}
   * @param signature in the API's form, at least 1 byte
   * @returns whether it is valid
   */
  verify(
    id: ObjectId,
    mechanism: Mechanism,
    conversion: Conversion,
    data: Buffer,
    signature: Buffer,
  ): Promise<boolean>;
  /**
   * Computes an ECDH shared secret (SP 800-56A, section 5.7.1.2) without a key derivation function.
   * @param point the peer's public key, uncompressed (SEC 1, section 2.3.3); the caller has checked that it is on the curve
   * @returns the x coordinate, as long as an element of the curve's field; the caller wipes it
   */
  deriveSharedSecret(id: ObjectId, point: Buffer): Promise<Buffer>;
  /**
   * Makes a shared secret and its ciphertext with the public key of a pair (ML-KEM.Encaps; FIPS 203, section 7.2).
   * @returns the ciphertext, and the secret of 32 bytes, which the caller wipes
   * @throws HsmError 'unsupported' if the module lacks the functions of PKCS #11 v3.2
   */
  encapsulate(id: ObjectId, mechanism: Mechanism): Promise<Encapsulated>;
  /**
   * Recovers a shared secret with the private key of a pair (ML-KEM.Decaps; FIPS 203, section 7.3).
   * @param ciphertext of the length that belongs to the key; one that was not made for the key gives another secret
   * @returns the secret of 32 bytes, which the caller wipes
   * @throws HsmError as {@link encapsulate}
   */
  decapsulate(id: ObjectId, mechanism: Mechanism, ciphertext: Buffer): Promise<Buffer>;

  /**
   * Reads the contents of the private data objects (CKO_DATA) with a CKA_LABEL that the store found when it connected or
   * has written since.
   */
  readData(label: string): Promise<readonly Buffer[]>;
  /**
   * Replaces all private data objects with a label by one, which is created before the others are destroyed.
   * @param label at most 64 bytes of UTF-8
   * @throws HsmError 'unsupported' if the module stores no private data objects
   */
  replaceData(label: string, value: Buffer): Promise<void>;

  /** Finishes the jobs in flight and ends the workers; later calls fail with HsmError 'disconnected'. */
  close(): Promise<void>;
}

/** The errors of the HSM layer. hsm/pkcs11/return-values maps PKCS#11 return values to them. */
export type HsmErrorCode =
  /** The ciphertext does not decrypt; one code for all reasons. */
  | 'invalid-ciphertext'
  /** The imported material does not fit its key. */
  | 'incorrect-key-material'
  /** The plaintext is longer than the cipher allows. */
  | 'plaintext-too-long'
  /** The token has no object with that CKA_ID. */
  | 'no-such-object'
  /** The module lacks the mechanism or refuses the template. */
  | 'unsupported'
  /** The token or its memory is full. */
  | 'token-full'
  /** The token cannot be written. */
  | 'read-only'
  /** The token is gone, the session is lost or the device failed: reconnecting may help. */
  | 'unavailable'
  /** The key store was closed. */
  | 'disconnected'
  /** The module has no such token. */
  | 'no-token'
  /** The token allows no more sessions. */
  | 'no-session'
  /** The token has no user PIN to log in with. */
  | 'no-user-pin'
  /** The daemon's own deadline passed. */
  | 'timeout'
  /** The queue of this store is full. */
  | 'overloaded'
  /** CKR_PIN_INCORRECT and similar: latched until an operator acts. */
  | 'login-refused'
  /** CKR_PIN_LOCKED and similar: latched too, and the token's security officer has to unlock the PIN. */
  | 'pin-locked'
  /** Any other fault of Keyhold or the module. */
  | 'internal';

/** The error that every method of a key store rejects with. Its message is for an operator. */
export class HsmError extends Error {
  constructor(
    readonly code: HsmErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'HsmError';
  }
}
