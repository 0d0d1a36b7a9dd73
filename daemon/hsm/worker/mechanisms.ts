// Mechanisms as pkcs11js takes them.
import pkcs11, { type Mechanism as Pkcs11Mechanism } from 'pkcs11js';
import type { Mechanism } from '../key-store.js';

const decoded = new Map<string, Pkcs11Mechanism>();

/** @param json of a {@link Mechanism}; there are as many as the table of key specs has, so each is decoded once */
export function mechanismOf(json: Buffer): Pkcs11Mechanism {
  const text = json.toString('latin1');
  let mechanism = decoded.get(text);
  if (mechanism === undefined) {
    mechanism = toPkcs11(JSON.parse(text) as Mechanism);
    decoded.set(text, mechanism);
  }
  return mechanism;
}

function toPkcs11({ type, pss }: Mechanism): Pkcs11Mechanism {
  if (pss === undefined) return { mechanism: type };
  const parameter = {
    type: pkcs11.CK_PARAMS_RSA_PSS,
    hashAlg: pss.hash,
    mgf: pss.mgf,
    saltLen: pss.saltLength,
  };
  return { mechanism: type, parameter };
}
