// The messages of a link in the form that is signed. PKCS#11's key wrapping binds wrapped bytes to
// nothing, so a signature of the sender's link key binds them to the key, the material and the link that they are for.
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { HsmError } from './key-store.js';
import type { LinkGeneration, LinkOffer, MaterialStatement, SentMaterial } from './link-messages.js';

/**
 * Encodes fields so that different fields never give the same bytes: each is preceded by its length.
 * @param kind what the statement is, so that a signature of one kind never fits another
 */
function encode(kind: string, fields: readonly (string | number | Buffer)[]): Buffer {
  const parts = [`keyhold ${kind} v1`, ...fields].flatMap((field) => {
    const bytes = Buffer.isBuffer(field) ? field : Buffer.from(String(field));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  return Buffer.concat(parts);
}

/** Encodes an offer, for its hash. */
function encodeOffer(offer: LinkOffer): Buffer {
  const { link, generation, region, endpoint, certificate, wrappingKey, signingKey } = offer;
  return encode('link offer', [link, generation, region, endpoint, certificate, wrappingKey, signingKey]);
}

/** Hashes two offers, in an order that both Regions agree on. @returns 32 bytes */
function hashOf(one: LinkOffer, other: LinkOffer): Buffer {
  const offers = [encodeOffer(one), encodeOffer(other)].sort((a, b) => Buffer.compare(a, b));
  return createHash('sha256').update(encode('link', offers)).digest();
}

/**
 * Makes the fingerprint that the two officers compare by voice: 160 bits of SHA-256 over both offers, so that finding two
 * pairs of offers with one fingerprint takes 2^80 attempts.
 * @returns ten groups of four hexadecimal digits
 */
export function fingerprintOf(one: LinkOffer, other: LinkOffer): string {
  return (hashOf(one, other).toString('hex').slice(0, 40).match(/.{4}/g) ?? []).join(' ');
}

/**
 * Encodes what the sender of a transport key signs.
 * @param offer of the sender
 * @param peer the offer whose wrapping key wraps it
 */
export function sealedKeyStatement(offer: LinkOffer, peer: LinkOffer, wrapped: Buffer): Buffer {
  return encode('transport key', [hashOf(offer, peer), offer.region, peer.region, wrapped]);
}

/** Encodes what the sender of material signs. */
export function materialStatement(
  statement: MaterialStatement,
  { wrapped, checkValue }: Omit<SentMaterial, 'signature'>,
): Buffer {
  const { link, generation, from, to, keyId, materialId, keySpec, keyUsage } = statement;
  const what = [link, generation, from, to, keyId, materialId, keySpec, keyUsage];
  return encode('link material', [...what, checkValue, wrapped]);
}

/** Encodes what both Regions hash, with the material, to prove that they hold the same. @param nonce 32 random bytes */
export function challengeOf(statement: Omit<MaterialStatement, keyof LinkGeneration>, nonce: Buffer): Buffer {
  const { from, to, keyId, materialId, keySpec, keyUsage } = statement;
  return createHash('sha256')
    .update(encode('material proof', [from, to, keyId, materialId, keySpec, keyUsage, nonce]))
    .digest();
}

/**
 * Verifies a signature of a link's signing key.
 * @param signingKey SPKI in DER, from the offer whose fingerprint was compared
 * @param signature r and s, 64 bytes
 * @throws HsmError 'invalid-ciphertext', with the same message for any fault
 */
export function verifyLinkSignature(signingKey: Buffer, statement: Buffer, signature: Buffer): void {
  let isValid = false;
  try {
    isValid = verify('sha256', statement, { key: readKey(signingKey), dsaEncoding: 'ieee-p1363' }, signature);
  } catch {
    // Not a key of the curve, or no signature: it is not valid.
  }
  if (!isValid)
    throw new HsmError(
      'invalid-ciphertext',
      'What the other Region sent is not signed by the key of this link for this key and material. It was not used.',
    );
}

function readKey(signingKey: Buffer): KeyObject {
  const key = createPublicKey({ key: signingKey, type: 'spki', format: 'der' });
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new HsmError('invalid-ciphertext', 'The signing key of a link is on the curve P-256.');
  return key;
}
