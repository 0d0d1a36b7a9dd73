// The types of the entries in the table of key specs.
import type {
  EncapsulationAlgorithmSpec,
  EncryptionAlgorithmSpec,
  KeyAgreementAlgorithmSpec,
  KeyUsageType,
  MacAlgorithmSpec,
  SigningAlgorithmSpec,
} from '../../../proto/generated/messages.js';
import type { CipherSuite } from '../../../proto/formats/ciphertext.js';
import type { CipherKey, Conversion, KeyTemplate, Mechanism } from '../../hsm/key-store.js';

/** An encryption algorithm. */
export interface EncryptionAlgorithm {
  /** CKM number of the mechanism that the module executes. */
  readonly mechanism: number;
  /** The same for modules that remove OAEP padding with SHA-256 themselves. */
  readonly mechanismInModule?: number;
  /** CKM number of a separate mechanism for authentication. */
  readonly macMechanism?: number;
  readonly cipher: CipherKey['suite'];
  /** Bytes. */
  readonly maxPlaintext: number;
  /** Bytes; only if all ciphertexts have the same length. */
  readonly ciphertextLength?: number;
}

/** A hash whose digest the mechanism takes instead of the message. */
export interface Digest {
  /** Its name in Node. */
  readonly hash: string;
  /** Bytes. */
  readonly length: number;
  /** The DER of DigestInfo up to the digest, which precedes the digest in the input of the mechanism. */
  readonly prefix?: Buffer;
}

/** A signing algorithm. */
export interface SigningAlgorithm {
  readonly mechanism: Mechanism;
  readonly conversion: Conversion;
  /** Absent if the mechanism signs the message itself, without MessageType DIGEST. */
  readonly digest?: Digest;
}

/** A key agreement algorithm on one curve. */
export interface KeyAgreementAlgorithm {
  /** CKM number. */
  readonly mechanism: number;
  /** The curve's name in Node. */
  readonly curve: string;
  /** The DER of a SubjectPublicKeyInfo on the curve, up to the point. */
  readonly publicKeyPrefix: Buffer;
  /** Bytes of an uncompressed point. */
  readonly pointLength: number;
}

/** A key encapsulation algorithm with one parameter set. */
export interface EncapsulationAlgorithm {
  readonly mechanism: Mechanism;
  /** Bytes. */
  readonly ciphertextLength: number;
}

type Algorithms<Name extends string, Entry> = Readonly<Partial<Record<Name, Entry>>>;

/** The algorithms of keys with one usage, and the template of their objects, which allows nothing else. */
export interface KeyUsageEntry {
  readonly template: KeyTemplate;
  /** Only for symmetric encryption keys. */
  readonly suite?: CipherSuite;
  readonly encryption?: Algorithms<EncryptionAlgorithmSpec, EncryptionAlgorithm>;
  readonly signing?: Algorithms<SigningAlgorithmSpec, SigningAlgorithm>;
  readonly mac?: Algorithms<MacAlgorithmSpec, Mechanism>;
  readonly keyAgreement?: Algorithms<KeyAgreementAlgorithmSpec, KeyAgreementAlgorithm>;
  readonly encapsulation?: Algorithms<EncapsulationAlgorithmSpec, EncapsulationAlgorithm>;
  /** Algorithms of AWS KMS that Keyhold does not support, with the reason. */
  readonly unsupported?: Algorithms<SigningAlgorithmSpec, string>;
}

/** A key spec. */
export interface KeySpecEntry {
  readonly usages: Readonly<Partial<Record<KeyUsageType, KeyUsageEntry>>>;
  /** The usage if CreateKey names none. */
  readonly defaultUsage?: KeyUsageType;
  /** Allowed length of imported material in bytes; only for secret keys. */
  readonly importedLength?: { readonly shortest: number; readonly longest: number };
  /** The usage by the cipher suite of the token; only for symmetric encryption keys. */
  readonly suites?: Readonly<Record<CipherSuite, KeyUsageEntry>>;
  /** How to make a data key pair of this spec. */
  readonly dataKeyPair?: KeyTemplate;
  /** The reason why Keyhold does not support this spec. */
  readonly unsupported?: string;
}
