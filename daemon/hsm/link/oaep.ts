// RSAES-OAEP with SHA-1, the one that every module has. Its security does not rest on collisions of SHA-1.
import pkcs11, { type Mechanism, type RsaOAEP } from 'pkcs11js';
import { oaepParameter } from './nested-template.js';

/** In pkcs11js's form. */
export const oaep = {
  mechanism: pkcs11.CKM_RSA_PKCS_OAEP,
  parameter: {
    type: pkcs11.CK_PARAMS_RSA_OAEP,
    hashAlg: pkcs11.CKM_SHA_1,
    mgf: pkcs11.CKG_MGF1_SHA1,
    source: 1,
  },
} satisfies Mechanism & { readonly parameter: RsaOAEP };

/** As the module's struct. */
export const rawOaep = {
  mechanism: pkcs11.CKM_RSA_PKCS_OAEP,
  parameter: oaepParameter(pkcs11.CKM_SHA_1, pkcs11.CKG_MGF1_SHA1),
};
