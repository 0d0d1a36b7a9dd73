// Signatures over a digest that is at hand instead of its message. WebCrypto always hashes by itself.
import { constants, createHash, type KeyObject, publicDecrypt, timingSafeEqual } from 'node:crypto';

/** A hash function by the name that Node gives to it. */
export type Hash = 'sha256' | 'sha384' | 'sha512';

/** DigestInfo up to the digest (RFC 8017, section 9.2, note 1). */
const digestInfo: Readonly<Record<Hash, Buffer>> = {
  sha256: Buffer.from('3031300d060960864801650304020105000420', 'hex'),
  sha384: Buffer.from('3041300d060960864801650304020205000430', 'hex'),
  sha512: Buffer.from('3051300d060960864801650304020305000440', 'hex'),
};

/** RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2.2): the whole encoded message is compared, and nothing of it parsed. */
export function verifyPkcs1Digest(key: KeyObject, hash: Hash, digest: Buffer, signature: Buffer): boolean {
  const encoded = encodedMessage(key, signature);
  if (!encoded) return false;
  const end = Buffer.concat([Buffer.of(0), digestInfo[hash], digest]);
  const padding = Buffer.alloc(encoded.length - end.length, 0xff);
  padding.set([0, 1]);
  return timingSafeEqual(encoded, Buffer.concat([padding, end]));
}

/**
 * RSASSA-PSS (RFC 8017, sections 8.1.2 and 9.1.2) with MGF1 of the same hash and a salt as long as the digest. The moduli
 * of KMS are whole bytes long, so the encoded message has one bit less than its bytes.
 */
export function verifyPssDigest(key: KeyObject, hash: Hash, digest: Buffer, signature: Buffer): boolean {
  const encoded = encodedMessage(key, signature);
  if (encoded?.at(-1) !== 0xbc || encoded.readUInt8(0) >= 0x80) return false;
  const maskedLength = encoded.length - digest.length - 1;
  const seed = encoded.subarray(maskedLength, -1);
  const data = mask(hash, seed, maskedLength);
  for (let at = 0; at < maskedLength; at++) data[at]! ^= encoded[at]!;
  data[0]! &= 0x7f;
  const saltStart = maskedLength - digest.length;
  const isPadded = data.subarray(0, saltStart - 1).every((byte) => byte === 0) && data[saltStart - 1] === 1;
  const salted = [Buffer.alloc(8), digest, data.subarray(saltStart)];
  return isPadded && timingSafeEqual(createHash(hash).update(Buffer.concat(salted)).digest(), seed);
}

/**
 * ECDSA (SEC 1, section 4.1.4), by @noble/curves, since Node's crypto always hashes.
 * @param signature r‖s
 */
export async function verifyEcdsaDigest(key: KeyObject, digest: Buffer, signature: Buffer): Promise<boolean> {
  const { crv, x, y } = key.export({ format: 'jwk' });
  const { p256, p384, p521 } = await import('@noble/curves/nist.js');
  const { secp256k1 } = await import('@noble/curves/secp256k1.js');
  const curve = { 'P-256': p256, 'P-384': p384, 'P-521': p521, secp256k1 }[crv as 'P-256'];
  const coordinates = [x, y].map((each) => Buffer.from(each!, 'base64url'));
  const point = Buffer.concat([Buffer.of(4), ...coordinates]);
  try {
    curve.Signature.fromBytes(signature, 'compact');
  } catch {
    return false; // r or s is not below the curve's order.
  }
  // KMS does not make s small, and neither do HSMs.
  return curve.verify(signature, digest, point, { prehash: false, lowS: false, format: 'compact' });
}

/**
 * The encoded message of an RSA signature (RFC 8017, sections 8.1.2 and 8.2.2).
 * @returns undefined where the signature is not as long as the modulus, or not below it
 */
function encodedMessage(key: KeyObject, signature: Buffer): Buffer | undefined {
  if (signature.length * 8 !== key.asymmetricKeyDetails?.modulusLength) return undefined;
  try {
    return publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature);
  } catch {
    return undefined;
  }
}

/** MGF1 (RFC 8017, appendix B.2.1). */
function mask(hash: Hash, seed: Buffer, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let counter = 0, made = 0; made < length; counter++) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(counter);
    const part = createHash(hash).update(seed).update(number).digest();
    parts.push(part);
    made += part.length;
  }
  return Buffer.concat(parts).subarray(0, length);
}
