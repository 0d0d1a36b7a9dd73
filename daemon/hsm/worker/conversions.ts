// Signatures between PKCS#11's forms and those of the API.
import { derToJose, joseToDer } from 'ecdsa-sig-formatter';
import { HsmError, type Conversion } from '../key-store.js';

interface SignatureForms {
  readonly toApi: (signature: Buffer) => Buffer;
  /** @returns undefined where it is no signature at all; then it is not a right one either */
  readonly fromApi: (signature: Buffer) => Buffer | undefined;
}

/** The forms of signatures by name. */
export const conversions: Readonly<Record<Conversion, SignatureForms>> = {
  none: { toApi: (signature) => signature, fromApi: (signature) => signature },
  'ecdsa-der-32': ecdsaDer('ES256'),
  'ecdsa-der-48': ecdsaDer('ES384'),
  'ecdsa-der-66': ecdsaDer('ES512'),
};

/**
 * Between r‖s (PKCS #11 v2.40 mechanisms, section 2.3.1) and the DER of Ecdsa-Sig-Value (RFC 3279, section 2.2.3).
 * @param length of r and of s, by the algorithm of RFC 7518, section 3.4, whose signatures are r‖s too
 */
function ecdsaDer(length: 'ES256' | 'ES384' | 'ES512'): SignatureForms {
  const toApi = (signature: Buffer): Buffer => {
    const middle = signature.length / 2;
    // No signature has it (SEC 1, section 4.1.3), and the library would encode it wrongly.
    if (isZero(signature, 0, middle) || isZero(signature, middle, signature.length))
      throw new HsmError('internal', 'The module gave an ECDSA signature with a zero in it.');
    return joseToDer(signature, length);
  };
  return {
    toApi,
    fromApi: (der) => {
      try {
        const raw = Buffer.from(derToJose(der, length), 'base64url');
        // A signature has one encoding. BER's others, negative numbers and trailing bytes would let anyone make a second
        // one that verifies, which has cost users of ECDSA dearly where a signature's bytes served as a name.
        return toApi(raw).equals(der) ? raw : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

function isZero(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false;
  return true;
}
