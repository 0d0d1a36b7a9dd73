// A token as it was when the key store connected: what is in it, and what its module can do.
import type { CipherSuite } from '../../proto/formats/ciphertext.js';

/** An object of the token, as it was found when the key store connected. */
export interface TokenObject {
  /** CKO number. */
  readonly class: number;
  /** CKA_ID, of any length. */
  readonly id: Buffer;
  /** CKA_LABEL, of any length. */
  readonly label: string;
}

/** CK_MECHANISM_INFO. The unit of the key sizes, bits or bytes, differs between mechanisms and modules. */
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
  /** The cipher suite of symmetric materials that are made from now on. */
  readonly suite: CipherSuite;
  /** Whether the module, not the worker, removes the padding of RSAES-OAEP with SHA-256. */
  readonly oaepSha256InModule: boolean;
  /** Whether the module has the functions for key encapsulation, which its mechanisms do not tell. */
  readonly encapsulates: boolean;
  /** What the module cannot do although it lists the mechanisms. */
  readonly lacks: readonly Lack[];
  readonly multiRegion: MultiRegionTraits;
}

/** What speaks against multi-Region keys in a token, from its profile. */
export interface MultiRegionTraits {
  /** Why the token cannot be linked. */
  readonly refused?: string | undefined;
  /** Key specs whose material the module does not wrap. */
  readonly lacks: readonly { readonly keySpec: string; readonly reason: string }[];
}

/** A combination of key spec, usage and algorithm that a kind of module does not support. */
export interface Lack {
  readonly keySpec: string;
  readonly keyUsage: string;
  /** Absent: every algorithm of the usage. */
  readonly algorithm?: string | undefined;
  readonly reason: string;
}
