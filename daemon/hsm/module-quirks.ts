// Peculiarities of a module, from its profile.

/** Peculiarities of a module that workers take into account. */
export interface ModuleQuirks {
  /** CK_USER_TYPE of the login; default CKU_USER. */
  readonly userType?: number;
  /** The PIN is entered at the device: C_Login gets none (CKF_PROTECTED_AUTHENTICATION_PATH). */
  readonly protectedPath?: boolean;
  /** Mechanisms that the module lists but Keyhold must not use: names of CKM constants, or numbers as `0x…`. */
  readonly avoided?: readonly string[];
  /** Sizes in bits of the RSA keys that the module really generates, if it lists others. */
  readonly rsaBits?: { readonly min?: number; readonly max?: number };
  /** The module, not the worker, removes the padding of RSAES-OAEP with SHA-256. */
  readonly oaepSha256InModule?: boolean;
  /** The module draws the IV of CKM_AES_GCM and overwrites the one in the parameters at C_EncryptInit. */
  readonly drawsIvs?: boolean;
  /** The module has C_EncapsulateKey and C_DecapsulateKey in an interface of PKCS #11 v3.2. */
  readonly encapsulates?: boolean;
  /** Attributes that the module accepts in no template, by CKA name or as `0x…`. */
  readonly omittedAttributes?: readonly string[];
}
