// Shared secrets, which a mechanism leaves as a session object of the module: read once, and destroyed.
import pkcs11, { type Attribute, type Handle } from 'pkcs11js';
import { attributeReader } from './public-keys.js';
import type { Token } from './token.js';

/** The attributes of a secret that can be read. @param length bytes */
export function readableSecret(length: number): Attribute[] {
  return [
    { type: pkcs11.CKA_TOKEN, value: false },
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
    { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_GENERIC_SECRET },
    { type: pkcs11.CKA_PRIVATE, value: true },
    { type: pkcs11.CKA_SENSITIVE, value: false },
    { type: pkcs11.CKA_EXTRACTABLE, value: true },
    { type: pkcs11.CKA_VALUE_LEN, value: length },
  ];
}

/** Reads a secret and destroys its object. @returns the bytes, which the caller wipes */
export function takeSecret(token: Token, handle: Handle): Buffer {
  try {
    return attributeReader(token, handle)(pkcs11.CKA_VALUE);
  } finally {
    token.module.C_DestroyObject(token.session, handle);
  }
}
