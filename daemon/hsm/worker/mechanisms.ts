import pkcs11, { type Mechanism as Pkcs11Mechanism } from 'pkcs11js';
import type { Mechanism } from '../key-store.js';

const converted = new WeakMap<Mechanism, Pkcs11Mechanism>();

/** Converts a mechanism to pkcs11js's form. Results are cached by object, and a worker decodes each mechanism only once. */
export function toPkcs11Mechanism(mechanism: Mechanism): Pkcs11Mechanism {
  let result = converted.get(mechanism);
  if (result === undefined) converted.set(mechanism, (result = convert(mechanism)));
  return result;
}

function convert({ type, pss }: Mechanism): Pkcs11Mechanism {
  if (pss === undefined) return { mechanism: type };
  const parameter = {
    type: pkcs11.CK_PARAMS_RSA_PSS,
    hashAlg: pss.hash,
    mgf: pss.mgf,
    saltLen: pss.saltLength,
  };
  return { mechanism: type, parameter };
}
