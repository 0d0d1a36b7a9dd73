// Conversion of signatures between PKCS#11's forms and those of the API.
import { ecdsaFromDer, ecdsaToDer, type ScalarLength } from '../../../proto/formats/ecdsa-signature.js';
import { HsmError, type Conversion } from '../key-store.js';

interface SignatureForms {
  readonly toApi: (signature: Buffer) => Buffer;
  /** @returns undefined if the bytes do not encode a signature, so that they cannot be a valid one */
  readonly fromApi: (signature: Buffer) => Buffer | undefined;
}

/** The conversions by name. */
export const conversions: Readonly<Record<Conversion, SignatureForms>> = {
  none: { toApi: (signature) => signature, fromApi: (signature) => signature },
  'ecdsa-der-32': ecdsaDer(32),
  'ecdsa-der-48': ecdsaDer(48),
  'ecdsa-der-66': ecdsaDer(66),
};

/** Converts between r‖s (PKCS #11 v2.40 mechanisms, section 2.3.1) and DER. */
function ecdsaDer(length: ScalarLength): SignatureForms {
  return {
    toApi: (signature) => {
      const der = ecdsaToDer(signature, length);
      if (!der)
        throw new HsmError('internal', 'The module returned an ECDSA signature in which r or s is zero.');
      return der;
    },
    fromApi: (der) => ecdsaFromDer(der, length),
  };
}
