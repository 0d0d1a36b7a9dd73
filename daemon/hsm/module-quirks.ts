// In what a module differs from others; from its profile.

/** What workers do differently with a module. */
export interface ModuleQuirks {
  /** CK_USER_TYPE of the login; default CKU_USER. */
  readonly userType?: number;
  /** The PIN is given at the device: C_Login gets none (CKF_PROTECTED_AUTHENTICATION_PATH). */
  readonly protectedPath?: boolean;
  /** Mechanisms that the module lists and that are not used: names of CKM constants, or numbers as `0x…`. */
  readonly avoided?: readonly string[];
  /** Sizes of RSA keys that it makes, in bits, where it lists others. */
  readonly rsaBits?: { readonly min?: number; readonly max?: number };
  /** The module removes the padding of RSAES-OAEP with SHA-256, not the worker. */
  readonly oaepSha256InModule?: boolean;
  /** The module draws the IV of CKM_AES_GCM, and writes it over the one in the parameters at C_EncryptInit. */
  readonly drawsIvs?: boolean;
  /** Attributes that its templates do not take, by CKA name or as `0x…`. */
  readonly omittedAttributes?: readonly string[];
}
