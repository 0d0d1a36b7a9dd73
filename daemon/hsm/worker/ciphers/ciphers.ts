// The ciphers by the byte that names them in a job. Suite 1 is AES-256-GCM with a 96-bit IV and a 128-bit tag (NIST SP
// 800-38D).
import pkcs11, { type GcmParams } from 'pkcs11js';
import { HsmError } from '../../key-store.js';
import { cipherCodes, type ModuleQuirks } from '../../messages.js';
import { AesCbcHmac } from './aes-cbc-hmac.js';
import { decryptInto, invalidCiphertext } from './decryption.js';
import type { IvSource } from './iv-source.js';
import type { KeyObjects } from '../objects.js';
import { ModuleRsaOaep, RawRsaOaepSha256 } from './rsa-ciphers.js';
import type { Token } from '../token.js';

const IV_LENGTH = 12;
const TAG_LENGTH = 16;
const SCRATCH = 64 * 1024;
const NO_IV =
  'The module does not give back the IV of AES-GCM, as its profile says: set quirks.gcmIv to caller, or suite to 2.';

/** Encrypts and decrypts in one way. Results may be views of scratch memory, good until the next call. */
export interface Cipher {
  /** @returns IV, and ciphertext with what authenticates it */
  encrypt(id: Buffer, aad: Buffer, plaintext: Buffer): [iv: Buffer, ciphertext: Buffer];
  /** @throws HsmError 'invalid-ciphertext' */
  decrypt(id: Buffer, aad: Buffer, iv: Buffer, ciphertext: Buffer): Buffer;
}

class AesGcm implements Cipher {
  private readonly sealed = Buffer.alloc(SCRATCH);
  private readonly opened = Buffer.alloc(SCRATCH);
  // One object for all calls: its IV and AAD change with each.
  private readonly parameter: GcmParams = {
    type: pkcs11.CK_PARAMS_AES_GCM_v240,
    iv: Buffer.alloc(IV_LENGTH),
    ivBits: 8 * IV_LENGTH,
    aad: Buffer.alloc(0),
    tagBits: 8 * TAG_LENGTH,
  };
  private readonly mechanism = { mechanism: pkcs11.CKM_AES_GCM, parameter: this.parameter };

  /** @param ivs undefined: the module draws the IV, and writes it over the one that it is given */
  constructor(
    private readonly token: Token,
    private readonly objects: KeyObjects,
    private readonly ivs: IvSource | undefined,
  ) {}

  encrypt(id: Buffer, aad: Buffer, plaintext: Buffer): [Buffer, Buffer] {
    const { module, session } = this.token;
    return this.objects.use(id, (key) => {
      const iv = this.ivs?.next(IV_LENGTH) ?? Buffer.alloc(IV_LENGTH);
      this.parameter.iv = iv;
      this.parameter.aad = aad;
      module.C_EncryptInit(session, this.mechanism, key);
      const output = view(this.sealed, plaintext.length + TAG_LENGTH);
      const sealed = module.C_Encrypt(session, plaintext, output);
      // An IV that was drawn and not told makes a ciphertext that nobody can decrypt; zeros that were used, one twice.
      if (!this.ivs && iv.every((byte) => byte === 0)) throw new HsmError('unsupported', NO_IV);
      return [iv, sealed];
    });
  }

  decrypt(id: Buffer, aad: Buffer, iv: Buffer, ciphertext: Buffer): Buffer {
    if (iv.length !== IV_LENGTH || ciphertext.length < TAG_LENGTH) throw invalidCiphertext();
    return this.objects.use(id, (key) => {
      this.parameter.iv = iv;
      this.parameter.aad = aad;
      // SoftHSM wants room for the tag too, and would leave the operation open on CKR_BUFFER_TOO_SMALL.
      return decryptInto(this.token, this.mechanism, key, ciphertext, view(this.opened, ciphertext.length));
    });
  }
}

/** The ciphers by their code. */
export function createCiphers(
  token: Token,
  objects: KeyObjects,
  ivs: IvSource,
  { oaepSha256InModule, drawsIvs }: ModuleQuirks,
): ReadonlyMap<number | undefined, Cipher> {
  return new Map<number, Cipher>([
    [cipherCodes[1], new AesGcm(token, objects, drawsIvs ? undefined : ivs)],
    [cipherCodes[2], new AesCbcHmac(token, objects, ivs)],
    [cipherCodes['rsa-oaep-sha1'], new ModuleRsaOaep(token, objects, 'sha1')],
    [
      cipherCodes['rsa-oaep-sha256'],
      oaepSha256InModule ? new ModuleRsaOaep(token, objects, 'sha256') : new RawRsaOaepSha256(token, objects),
    ],
  ]);
}

function view(scratch: Buffer, length: number): Buffer {
  return length <= scratch.length ? scratch.subarray(0, length) : Buffer.alloc(length);
}
