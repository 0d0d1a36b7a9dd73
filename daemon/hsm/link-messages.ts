// What two linked Regions tell each other about keys.

/** One generation of the keys of a link. Both Regions give it the same name; a rotation makes the next one. */
export interface LinkGeneration {
  /** ID of the link: 1 to 32 characters of `a-z`, `0-9` and `-`. */
  readonly link: string;
  /** From 1 to 999,999. */
  readonly generation: number;
}

/** Who a Region is, and how its peer connects to it. */
export interface LinkSide extends LinkGeneration {
  /** Name of the Region, such as `us-east-1`. */
  readonly region: string;
  /** What the peer dials: a URL such as `wss://keyhold.example:8443`. */
  readonly endpoint: string;
  /** The only certificate that the peer accepts from this Region, and at its endpoint. X.509 in DER. */
  readonly certificate: Buffer;
}

/** What a Region shows its peer at the ceremony. */
export interface LinkOffer extends LinkSide {
  /** RSA-4096 key for the peer's transport key; its private half lives as long as the ceremony's process. SPKI in DER. */
  readonly wrappingKey: Buffer;
  /** Verifies what this Region sends over the link: ECDSA on P-256. SPKI in DER. */
  readonly signingKey: Buffer;
}

/** A transport key, wrapped for the peer. */
export interface SealedTransportKey {
  /** RSAES-OAEP with SHA-1 (RFC 8017, section 7.1), 512 bytes. */
  readonly wrapped: Buffer;
  /** r and s, 64 bytes. */
  readonly signature: Buffer;
}

/** What wrapped material is. The receiver builds it from its own records and the request, and so expects it. */
export interface MaterialStatement extends LinkGeneration {
  /** Region that sends. */
  readonly from: string;
  /** Region that receives. */
  readonly to: string;
  readonly keyId: string;
  readonly materialId: string;
  readonly keySpec: string;
  readonly keyUsage: string;
}

/** Wrapped material on its way. */
export interface SentMaterial {
  /** AES key wrap with padding (RFC 5649) under the transport key. */
  readonly wrapped: Buffer;
  /** Identifies the material, as {@link ImportedMaterial.checkValue}. */
  readonly checkValue: Buffer;
  /** r and s, 64 bytes. */
  readonly signature: Buffer;
}
