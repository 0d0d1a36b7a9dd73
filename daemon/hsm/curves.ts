/** An elliptic curve and its names in PKCS#11, Node and JWK. */
export interface Curve {
  /** The DER of its object identifier in hex, as in CKA_EC_PARAMS (SEC 2, appendix A; RFC 8410, section 3). */
  readonly parameters: string;
  /** Name in OpenSSL and Node. */
  readonly name: string;
  /** Name in a JWK (RFC 7518, section 6.2.1.1; RFC 8037; RFC 8812). */
  readonly crv: string;
  /** Length in bytes of a coordinate and, except for Ed25519, of a number modulo the order. */
  readonly size: number;
}

/** The curves of all key specs. */
export const curves = {
  prime256v1: { parameters: '06082a8648ce3d030107', name: 'prime256v1', crv: 'P-256', size: 32 },
  secp384r1: { parameters: '06052b81040022', name: 'secp384r1', crv: 'P-384', size: 48 },
  secp521r1: { parameters: '06052b81040023', name: 'secp521r1', crv: 'P-521', size: 66 },
  secp256k1: { parameters: '06052b8104000a', name: 'secp256k1', crv: 'secp256k1', size: 32 },
  ed25519: { parameters: '06032b6570', name: 'ed25519', crv: 'Ed25519', size: 32 },
} as const satisfies Record<string, Curve>;
