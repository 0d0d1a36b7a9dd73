// Encodes private key objects as PKCS #8. Only those of data key pairs can be read. The caller wipes the result; the
// encoder's own copies stay in memory until they are garbage-collected.
import type { SubjectPublicKeyInfo } from '@peculiar/asn1-x509';
import pkcs11, { type Handle } from 'pkcs11js';
import { HsmError } from '../key-store.js';
import { asn1 } from './asn1.js';
import { CKK_EC_EDWARDS, attributeReader, type AttributeReader } from './public-keys.js';
import type { Token } from './token.js';

type Encoder = (read: AttributeReader, publicKey: SubjectPublicKeyInfo) => ArrayBuffer;

/** Encoders of the privateKey octets, by CKA_KEY_TYPE. */
const encoders = new Map<number, Encoder>([
  [pkcs11.CKK_RSA, encodeRsaKey],
  [pkcs11.CKK_EC, encodeEcKey],
  [CKK_EC_EDWARDS, encodeEdwardsKey],
]);

/**
 * Reads a private key.
 * @param publicKey SubjectPublicKeyInfo of the pair in DER, whose algorithm is also the private key's
 * @returns PrivateKeyInfo (RFC 5208, section 5) in DER; the caller wipes it
 * @throws HsmError 'unsupported' for an unknown CKA_KEY_TYPE
 */
export function toPkcs8(token: Token, key: Handle, publicKey: Buffer): Buffer {
  const read = attributeReader(token, key);
  const type = read(pkcs11.CKA_KEY_TYPE).readUInt32LE(0);
  const encoder = encoders.get(type);
  if (encoder === undefined)
    throw new HsmError('unsupported', `Keyhold does not support private keys of CKA_KEY_TYPE ${type}`);
  const { pkcs8, schema, x509 } = asn1();
  const info = schema.AsnConvert.parse(publicKey, x509.SubjectPublicKeyInfo);
  const octets = encoder(read, info);
  const privateKeyInfo = new pkcs8.PrivateKeyInfo({
    version: 0,
    privateKeyAlgorithm: info.algorithm,
    privateKey: new pkcs8.PrivateKey(octets),
  });
  const encoded = Buffer.from(schema.AsnConvert.serialize(privateKeyInfo));
  Buffer.from(octets).fill(0);
  return encoded;
}

/** RSAPrivateKey (RFC 8017, appendix A.1.2). */
function encodeRsaKey(read: AttributeReader): ArrayBuffer {
  const number = (attribute: number): ArrayBuffer => unsigned(read(attribute));
  const { rsa, schema } = asn1();
  return schema.AsnConvert.serialize(
    new rsa.RSAPrivateKey({
      version: 0,
      modulus: number(pkcs11.CKA_MODULUS),
      publicExponent: number(pkcs11.CKA_PUBLIC_EXPONENT),
      privateExponent: number(pkcs11.CKA_PRIVATE_EXPONENT),
      prime1: number(pkcs11.CKA_PRIME_1),
      prime2: number(pkcs11.CKA_PRIME_2),
      exponent1: number(pkcs11.CKA_EXPONENT_1),
      exponent2: number(pkcs11.CKA_EXPONENT_2),
      coefficient: number(pkcs11.CKA_COEFFICIENT),
    }),
  );
}

/**
 * ECPrivateKey (RFC 5915, section 3), without the curve, which the algorithm names. The number is padded to the length of the
 * curve's order, because modules drop leading zeros.
 */
function encodeEcKey(read: AttributeReader, { subjectPublicKey }: SubjectPublicKeyInfo): ArrayBuffer {
  const size = (subjectPublicKey.byteLength - 1) / 2;
  const value = read(pkcs11.CKA_VALUE);
  const padded = new Uint8Array(size);
  padded.set(value, size - value.length);
  value.fill(0);
  const { ecc, schema } = asn1();
  return schema.AsnConvert.serialize(
    new ecc.ECPrivateKey({
      version: 1,
      privateKey: new schema.OctetString(padded),
      publicKey: subjectPublicKey,
    }),
  );
}

/** CurvePrivateKey (RFC 8410, section 7). */
function encodeEdwardsKey(read: AttributeReader): ArrayBuffer {
  const { AsnConvert, OctetString } = asn1().schema;
  return AsnConvert.serialize(new OctetString(read(pkcs11.CKA_VALUE)));
}

// Removes leading zeros, which some modules add, and adds the one that DER requires if the first bit is set.
function unsigned(number: Buffer): ArrayBuffer {
  let start = 0;
  while (start < number.length - 1 && number[start] === 0) start++;
  const sign = (number[start] ?? 0) >= 0x80 ? 1 : 0;
  const integer = new Uint8Array(sign + number.length - start);
  integer.set(number.subarray(start), sign);
  number.fill(0);
  return integer.buffer;
}
