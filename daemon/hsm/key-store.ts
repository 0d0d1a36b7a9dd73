// The interface to one token. hsm/pool implements it with worker processes; no caller knows PKCS#11 handles.
import type { CipherSuite } from '../../proto/formats/ciphertext.js';

/**
 * The CKA_ID of an object (of both objects of a pair), kept in the material's record: 16 random bytes where Keyhold made
 * it, 1 to 64 bytes where it was adopted.
 */
export type ObjectId = Buffer;

/** PKCS#11 attributes as [CKA number, value]; byte values are hex strings. */
export type Attributes = readonly (readonly [type: number, value: boolean | number | string])[];

/**
 * How to generate key material. The worker adds what Keyhold promises of every object: CKA_TOKEN,
 * CKA_PRIVATE, CKA_SENSITIVE, not CKA_EXTRACTABLE, CKA_ID, CKA_LABEL.
 */
export interface KeyTemplate {
  /** A CKM number, such as CKM_AES_KEY_GEN. */
  readonly mechanism: number;
  /** Of the secret key, or of the private key of a pair. */
  readonly attributes: Attributes;
  /** Of the public key; its presence makes this a pair. */
  readonly publicAttributes?: Attributes;
  /** The secret key that authenticates what this one encrypts (AES_256_CBC_HMAC_SHA_256); it has the same CKA_ID and label. */
  readonly macKey?: KeyTemplate;
  /** Session objects, which only the worker that made them sees; gone with {@link KeyStore.destroy} or its session. */
  readonly ofSession?: boolean;
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
    /** Bytes. */
    readonly saltLength: number;
  };
}

/**
 * Conversion of a signature between PKCS#11's form and the API's, done in the worker. The number is the bytes of r and
 * of s, those of the curve's order.
 */
export type Conversion = 'none' | 'ecdsa-der-32' | 'ecdsa-der-48' | 'ecdsa-der-66';

/** RSAES-OAEP (RFC 8017, section 7.1), without a label: it has neither IV nor additional authenticated data. */
export type RsaCipher = 'rsa-oaep-sha1' | 'rsa-oaep-sha256';

/** A key and its way to encrypt. */
export interface CipherKey {
  readonly suite: CipherSuite | RsaCipher;
  readonly id: ObjectId;
}

/** An encrypted message. */
export interface Ciphertext {
  /** 12 bytes with AES_256_GCM, 16 with AES_256_CBC_HMAC_SHA_256, drawn from the HSM for this one message; none with RSA. */
  readonly iv: Buffer;
  /** The ciphertext with its tag of 16 or 32 bytes; with RSA as many bytes as the modulus has. */
  readonly ciphertext: Buffer;
}

/**
 * How key material is wrapped under an RSA key pair of the HSM: by RSAES-OAEP itself, or by AES key wrap with padding
 * (RFC 5649) under an AES key that stands before it, wrapped by RSAES-OAEP (CKM_RSA_AES_KEY_WRAP of PKCS #11 v2.40).
 */
export interface Wrapping {
  readonly hash: 'sha1' | 'sha256';
  readonly aes: boolean;
}

/** The key that imported material becomes, and what the material must be for it. */
export interface ImportTarget {
  /** As for generating it. The numbers of a pair, modulus length and curve, must be those of the material. */
  readonly template: KeyTemplate;
  /** Of a secret key: bytes that it may have, and the MAC that it is for; without one it is an AES key. */
  readonly secret?: { readonly shortest: number; readonly longest: number; readonly mac?: Mechanism };
}

/** The result of an import. */
export interface ImportedMaterial {
  /** Identifies the material: 32 bytes of ciphertext, a MAC, or SubjectPublicKeyInfo in DER, computed by the HSM. */
  readonly checkValue: Buffer;
  /** Whether it, or the AES key that wrapped it, was in a worker's memory, because the module cannot unwrap it itself. */
  readonly leftHsm: boolean;
}

/** A key pair for use outside the HSM, its private key encrypted under a key of the HSM. */
export interface DataKeyPair extends Ciphertext {
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Buffer;
}

/** An object of the token as the enumeration at connect found it. */
export interface TokenObject {
  /** CKO number. */
  readonly class: number;
  /** CKA_ID and CKA_LABEL as they are, of whatever length. */
  readonly id: Buffer;
  readonly label: string;
}

/** Attribute values by CKA number. */
export type InspectedObject = ReadonlyMap<number, Buffer>;

/** What a module says of a mechanism (CK_MECHANISM_INFO), in whatever unit it counts the key sizes. */
export interface MechanismInfo {
  readonly minKeySize: number;
  readonly maxKeySize: number;
}

/** A token as it was when the key store connected. */
export interface TokenDescription {
  readonly objects: readonly TokenObject[];
  /** Mechanisms by CKM number, without those that the profile avoids. */
  readonly mechanisms: ReadonlyMap<number, MechanismInfo>;
  readonly traits: StoreTraits;
}

/** Properties of the keys in a token, from its profile. */
export interface StoreTraits {
  /** Of symmetric materials that are made from now on. */
  readonly suite: CipherSuite;
  /** Whether the module removes the padding of RSAES-OAEP with SHA-256, not the worker. */
  readonly oaepSha256InModule: boolean;
  /** What it cannot do although it lists the mechanisms. */
  readonly lacks: readonly Lack[];
}

/** Something of the table of key specs that a kind of module cannot do. */
export interface Lack {
  readonly keySpec: string;
  readonly keyUsage: string;
  /** Absent: every algorithm of the usage. */
  readonly algorithm?: string | undefined;
  readonly reason: string;
}

/** State of the connection to the token. `login-refused`: no login until an operator has corrected the PIN. */
export type KeyStoreState = 'connecting' | 'connected' | 'disconnected' | 'login-refused' | 'closed';

/**
 * One token. Every method throws only {@link HsmError}. Results that hold secrets are wiped by the caller.
 */
export interface KeyStore extends TokenDescription {
  /** `default`, or the ID of a custom key store. */
  readonly name: string;
  readonly state: KeyStoreState;
  /** Whether workers are logged in and each of them has been in one call for seconds. */
  readonly hangs: boolean;

  /** Generates a key or pair as token objects. @param label UTF-8, at most 64 bytes */
  generate(id: ObjectId, label: string, template: KeyTemplate): Promise<void>;
  /**
   * Unwraps key material into token objects, as {@link generate} makes them; of a pair also the public key.
   * @param wrappingKey an RSA pair whose private key may unwrap and, for SHA-256, decrypt
   * @param wrapped material as bytes, of a pair its private key as PKCS #8 in DER
   * @throws HsmError 'invalid-ciphertext' for everything that is wrong with the wrapped bytes, 'incorrect-key-material' where
   * they unwrap to something else than the target says; no object is left then
   */
  importWrapped(
    wrappingKey: ObjectId,
    wrapping: Wrapping,
    wrapped: Buffer,
    id: ObjectId,
    label: string,
    target: ImportTarget,
  ): Promise<ImportedMaterial>;
  /** As {@link importWrapped}, with material in the clear, which the caller wipes. */
  importPlaintext(
    material: Buffer,
    id: ObjectId,
    label: string,
    target: ImportTarget,
  ): Promise<ImportedMaterial>;
  /** Destroys every key object with that CKA_ID, after every worker has dropped its copy. Succeeds where there is none. */
  destroy(id: ObjectId): Promise<void>;
  /** SubjectPublicKeyInfo (DER, RFC 5280 section 4.1.2.7) of a pair. */
  publicKey(id: ObjectId): Promise<Buffer>;
  /** Whether the token holds an object with that CKA_ID now. */
  exists(id: ObjectId): Promise<boolean>;

  /**
   * Reads attributes of token objects.
   * @param match attributes that the objects have; values of bytes in hex
   * @returns the values of those attributes that each object has and shows, as the module gives them
   */
  inspect(match: Attributes, types: readonly number[]): Promise<readonly InspectedObject[]>;
  /**
   * Makes externally created objects with that CKA_ID visible in every worker. Some modules show a process that writes no
   * objects that other processes make; such a worker is replaced.
   */
  refreshObject(id: ObjectId): Promise<void>;

  /** Random bytes of the HSM. @param length 1 to 1,024 bytes */
  random(length: number): Promise<Buffer>;
  /**
   * Encrypts a message.
   * @param aad additional authenticated data; empty with RSA
   * @throws HsmError 'plaintext-too-long', 'no-such-object'
   */
  encrypt(key: CipherKey, aad: Buffer, plaintext: Buffer): Promise<Ciphertext>;
  /**
   * Decrypts a message.
   * @returns the plaintext, which the caller wipes
   * @throws HsmError 'invalid-ciphertext' for everything that is wrong with it
   */
  decrypt(key: CipherKey, aad: Buffer, message: Ciphertext): Promise<Buffer>;
  /** Decrypts under one key and encrypts under another; the plaintext never leaves the worker. */
  reEncrypt(
    source: CipherKey,
    sourceAad: Buffer,
    message: Ciphertext,
    destination: CipherKey,
    destinationAad: Buffer,
  ): Promise<Ciphertext>;
  /** Random bytes, in the clear and encrypted under a key. @param length 1 to 1,024 bytes */
  dataKey(key: CipherKey, aad: Buffer, length: number): Promise<Ciphertext & { readonly plaintext: Buffer }>;
  /** As dataKey; the plaintext never leaves the worker. */
  dataKeyWithoutPlaintext(key: CipherKey, aad: Buffer, length: number): Promise<Ciphertext>;
  /**
   * Generates a pair in the HSM for use outside of it, as session objects that are gone when this returns.
   * @param template mechanism and parameters of the pair; no usage is needed
   * @returns also the private key as PKCS #8 (RFC 5958) in DER
   * @throws HsmError 'unsupported' where the module makes no private keys that can be read
   */
  dataKeyPair(
    key: CipherKey,
    aad: Buffer,
    template: KeyTemplate,
  ): Promise<DataKeyPair & { readonly privateKey: Buffer }>;
  /** As dataKeyPair; the private key never leaves the worker unencrypted. */
  dataKeyPairWithoutPlaintext(key: CipherKey, aad: Buffer, template: KeyTemplate): Promise<DataKeyPair>;
  /** Signature or MAC. @param data the message or its digest, as the mechanism takes it */
  sign(id: ObjectId, mechanism: Mechanism, conversion: Conversion, data: Buffer): Promise<Buffer>;
  /** Whether a signature or MAC is right. @param data as for sign @param signature 1 byte or more, as sign gives it */
  verify(
    id: ObjectId,
    mechanism: Mechanism,
    conversion: Conversion,
    data: Buffer,
    signature: Buffer,
  ): Promise<boolean>;
  /**
   * ECDH (SP 800-56A, section 5.7.1.2) without a key derivation function.
   * @param point the peer's public key, uncompressed (SEC 1, section 2.3.3), checked to be on the key's curve
   * @returns the x coordinate, as many bytes as the curve's field has
   */
  deriveSharedSecret(id: ObjectId, point: Buffer): Promise<Buffer>;

  /**
   * Contents of the private data objects (CKO_DATA) with that CKA_LABEL, as the store found them when it connected, or
   * wrote them since.
   */
  readData(label: string): Promise<readonly Buffer[]>;
  /**
   * Replaces the private data objects with a label by one, which is made before the others are destroyed.
   * @param label UTF-8, at most 64 bytes
   * @throws HsmError 'unsupported' where the module stores no private data objects
   */
  replaceData(label: string, value: Buffer): Promise<void>;

  /** Finishes the jobs in flight and ends the workers; later calls fail with HsmError 'disconnected'. */
  close(): Promise<void>;
}

/** What can go wrong in the HSM layer. PKCS#11 return values are mapped to these once, in hsm/pkcs11/return-values. */
export type HsmErrorCode =
  /** A ciphertext, tag or IV that does not decrypt; one code for all reasons. */
  | 'invalid-ciphertext'
  /** Imported material that is not what its key needs. */
  | 'incorrect-key-material'
  /** A plaintext that is longer than the cipher takes. */
  | 'plaintext-too-long'
  /** The token has no object with that CKA_ID. */
  | 'no-such-object'
  /** The module lacks the mechanism or refuses the template. */
  | 'unsupported'
  /** The token or its memory is full. */
  | 'token-full'
  /** Nothing can be written to the token. */
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
  /** A fault of Keyhold or of the module that none of the others describes. */
  | 'internal';

/** The error of every method of a key store. Its message is for an operator. */
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
