// What an entry of the table of key specs says.
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

export interface EncryptionAlgorithm {
  /** CKM number of what the module does of it. */
  readonly mechanism: number;
  /** The same where the module takes OAEP's padding with SHA-256 off itself. */
  readonly mechanismInModule?: number;
  /** CKM number of what authenticates it, where that is a mechanism of its own. */
  readonly macMechanism?: number;
  readonly cipher: CipherKey['suite'];
  /** Bytes. */
  readonly maxPlaintext: number;
  /** Bytes, of ciphertexts that are all of one length. */
  readonly ciphertextLength?: number;
}

/** A hash whose digest the mechanism takes instead of the message. */
export interface Digest {
  /** As Node names it. */
  readonly hash: string;
  /** Bytes. */
  readonly length: number;
  /** Goes before the digest: all of DigestInfo but the digest. */
  readonly prefix?: Buffer;
}

export interface SigningAlgorithm {
  readonly mechanism: Mechanism;
  readonly conversion: Conversion;
  /** Absent where the mechanism takes the message itself; then there is no MessageType DIGEST. */
  readonly digest?: Digest;
}

export interface KeyAgreementAlgorithm {
  /** CKM number. */
  readonly mechanism: number;
  /** The curve, as Node names it, and all of a SubjectPublicKeyInfo on it but the point. */
  readonly curve: string;
  readonly publicKeyPrefix: Buffer;
  /** Bytes of an uncompressed point. */
  readonly pointLength: number;
}

type Algorithms<Name extends string, Entry> = Readonly<Partial<Record<Name, Entry>>>;

/** What a key of one usage can do; PKCS#11's usages of its objects are no more than that needs. */
export interface KeyUsageEntry {
  readonly template: KeyTemplate;
  /** Of symmetric encryption keys. */
  readonly suite?: CipherSuite;
  readonly encryption?: Algorithms<EncryptionAlgorithmSpec, EncryptionAlgorithm>;
  readonly signing?: Algorithms<SigningAlgorithmSpec, SigningAlgorithm>;
  readonly mac?: Algorithms<MacAlgorithmSpec, Mechanism>;
  readonly keyAgreement?: Algorithms<KeyAgreementAlgorithmSpec, KeyAgreementAlgorithm>;
  readonly encapsulation?: Algorithms<EncapsulationAlgorithmSpec, Mechanism>;
  /** Algorithms that AWS KMS has for such keys and Keyhold has not, with the reason. */
  readonly unsupported?: Algorithms<SigningAlgorithmSpec, string>;
}

export interface KeySpecEntry {
  readonly usages: Readonly<Partial<Record<KeyUsageType, KeyUsageEntry>>>;
  /** The usage where CreateKey names none. */
  readonly defaultUsage?: KeyUsageType;
  /** Of secret keys: bytes that imported material may have. */
  readonly importedLength?: { readonly shortest: number; readonly longest: number };
  /** Of symmetric encryption keys: their usage in tokens whose materials are of that suite. */
  readonly suites?: Readonly<Record<CipherSuite, KeyUsageEntry>>;
  /** How to make a data key pair of this spec. */
  readonly dataKeyPair?: KeyTemplate;
  /** Why there are no keys of this spec. */
  readonly unsupported?: string;
}
