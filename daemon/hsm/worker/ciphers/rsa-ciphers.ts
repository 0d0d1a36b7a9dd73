// RSAES-OAEP (RFC 8017, section 7.1) with MGF1 over the same hash and an empty label.
import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import pkcs11, { type Handle } from 'pkcs11js';
import { type Ciphertext, HsmError } from '../../key-store.js';
import type { Cipher } from './cipher.js';
import { decryptInto, invalidCiphertext } from './decryption.js';
import { unpadOaep } from './oaep.js';
import type { KeyObjects } from '../objects.js';
import { toSubjectPublicKeyInfo } from '../public-keys.js';
import type { Token } from '../token.js';

/**
 * Length in bytes of a result of the longest modulus, 16,384 bits. With a smaller buffer than it demands, a module would
 * return CKR_BUFFER_TOO_SMALL for a ciphertext of any length and leave the operation active.
 */
const longestResult = 2048;
const noIv = Buffer.alloc(0);

/** Lengths in bytes and PKCS #11 names of the hashes. */
const hashes = {
  sha1: { length: 20, hashAlg: pkcs11.CKM_SHA_1, mgf: pkcs11.CKG_MGF1_SHA1 },
  sha256: { length: 32, hashAlg: pkcs11.CKM_SHA256, mgf: pkcs11.CKG_MGF1_SHA256 },
} as const;

abstract class RsaOaep implements Cipher {
  constructor(
    protected readonly token: Token,
    private readonly objects: KeyObjects,
    protected readonly hash: keyof typeof hashes,
  ) {}

  // No secret key is involved, so OpenSSL encrypts for every module, with the token's public key.
  encrypt(id: Buffer, aad: Buffer, plaintext: Buffer): Ciphertext {
    refuseExtras(aad, noIv);
    const der = this.objects.usePublic(id, (key) => toSubjectPublicKeyInfo(this.token, key));
    const key = createPublicKey({ key: der, type: 'spki', format: 'der' });
    const longest = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8 - 2 * hashes[this.hash].length - 2;
    if (plaintext.length > longest)
      throw new HsmError(
        'plaintext-too-long',
        `The plaintext has ${plaintext.length} bytes; this key encrypts at most ${longest}`,
      );
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    return { iv: noIv, ciphertext: publicEncrypt({ key, padding, oaepHash: this.hash }, plaintext) };
  }

  decrypt(id: Buffer, aad: Buffer, iv: Buffer, ciphertext: Buffer): Buffer {
    refuseExtras(aad, iv);
    return this.objects.use(id, (key) => this.decryptWith(key, ciphertext));
  }

  protected abstract decryptWith(key: Handle, ciphertext: Buffer): Buffer;
}

/** RSAES-OAEP with the module's CKM_RSA_PKCS_OAEP. */
export class ModuleRsaOaep extends RsaOaep {
  readonly #mechanism = {
    mechanism: pkcs11.CKM_RSA_PKCS_OAEP,
    parameter: {
      type: pkcs11.CK_PARAMS_RSA_OAEP,
      hashAlg: hashes[this.hash].hashAlg,
      mgf: hashes[this.hash].mgf,
      source: 1,
    },
  };

  protected override decryptWith(key: Handle, ciphertext: Buffer): Buffer {
    return decryptInto(this.token, this.#mechanism, key, ciphertext, Buffer.alloc(longestResult));
  }
}

/**
 * RSAES-OAEP with SHA-256 for modules that only have raw RSA. SoftHSM 2.6.1 returns CKR_ARGUMENTS_BAD for
 * CKM_RSA_PKCS_OAEP with SHA-256.
 */
export class RawRsaOaepSha256 extends RsaOaep {
  constructor(token: Token, objects: KeyObjects) {
    super(token, objects, 'sha256');
  }

  protected override decryptWith(key: Handle, ciphertext: Buffer): Buffer {
    return decryptOaepSha256(this.token, key, ciphertext);
  }
}

/**
 * Decrypts RSAES-OAEP with SHA-256 by raw RSA.
 * @param key an RSA private key that may decrypt
 * @throws HsmError 'invalid-ciphertext'
 */
export function decryptOaepSha256(token: Token, key: Handle, ciphertext: Buffer): Buffer {
  const output = Buffer.alloc(longestResult);
  const raw = decryptInto(token, { mechanism: pkcs11.CKM_RSA_X_509 }, key, ciphertext, output);
  // RFC 8017, section 7.1.2, step 1b, for a module that accepts any length.
  if (raw.length > ciphertext.length) {
    output.fill(0);
    throw invalidCiphertext();
  }
  // A module that omits leading zeros must not reveal by the length how the padding begins.
  const encoded = Buffer.alloc(ciphertext.length);
  encoded.set(raw, encoded.length - raw.length);
  output.fill(0);
  const message = unpadOaep(encoded, 'sha256');
  if (message === undefined) throw invalidCiphertext();
  return message;
}

function refuseExtras(aad: Buffer, iv: Buffer): void {
  if (aad.length + iv.length > 0) throw new HsmError('internal', 'RSAES-OAEP takes no IV and no context');
}
