// AES_256_GCM: AES-256-GCM with a 96-bit IV and a 128-bit tag (NIST SP 800-38D).
import pkcs11, { type GcmParams } from 'pkcs11js';
import { type Ciphertext, HsmError } from '../../key-store.js';
import type { Cipher } from './cipher.js';
import { decryptInto, invalidCiphertext } from './decryption.js';
import type { IvSource } from './iv-source.js';
import type { KeyObjects } from '../objects.js';
import type { Token } from '../token.js';

const ivLength = 12;
const tagLength = 16;
/** Length in bytes of the reused buffers; a longer result gets a separate buffer. */
const scratchLength = 64 * 1024;
const noIv =
  'The module does not return the IV of AES-GCM, although its profile says so: set quirks.gcmIv to caller, or suite to 2.';

/** AES_256_GCM with the module's AES-GCM. */
export class AesGcm implements Cipher {
  readonly #sealed = Buffer.alloc(scratchLength);
  readonly #opened = Buffer.alloc(scratchLength);
  // One object for all calls; each call sets its IV and AAD.
  readonly #parameter: GcmParams = {
    type: pkcs11.CK_PARAMS_AES_GCM_v240,
    iv: Buffer.alloc(ivLength),
    ivBits: 8 * ivLength,
    aad: Buffer.alloc(0),
    tagBits: 8 * tagLength,
  };
  readonly #mechanism = { mechanism: pkcs11.CKM_AES_GCM, parameter: this.#parameter };

  /** @param ivs undefined if the module draws the IV and overwrites the one that it is given */
  constructor(
    private readonly token: Token,
    private readonly objects: KeyObjects,
    private readonly ivs: IvSource | undefined,
  ) {}

  encrypt(id: Buffer, aad: Buffer, plaintext: Buffer): Ciphertext {
    const { module, session } = this.token;
    return this.objects.use(id, (key) => {
      const iv = this.ivs?.next(ivLength) ?? Buffer.alloc(ivLength);
      this.#parameter.iv = iv;
      this.#parameter.aad = aad;
      module.C_EncryptInit(session, this.#mechanism, key);
      const output = view(this.#sealed, plaintext.length + tagLength);
      const sealed = module.C_Encrypt(session, plaintext, output);
      // All zeros: the module drew an IV and did not return it, so nobody could decrypt, or it used the zeros, an IV twice.
      if (!this.ivs && iv.every((byte) => byte === 0)) throw new HsmError('unsupported', noIv);
      return { iv, ciphertext: sealed };
    });
  }

  decrypt(id: Buffer, aad: Buffer, iv: Buffer, ciphertext: Buffer): Buffer {
    if (iv.length !== ivLength || ciphertext.length < tagLength) throw invalidCiphertext();
    return this.objects.use(id, (key) => {
      this.#parameter.iv = iv;
      this.#parameter.aad = aad;
      // SoftHSM demands room for the tag too; on CKR_BUFFER_TOO_SMALL it would leave the operation active.
      return decryptInto(this.token, this.#mechanism, key, ciphertext, view(this.#opened, ciphertext.length));
    });
  }
}

function view(scratch: Buffer, length: number): Buffer {
  return length <= scratch.length ? scratch.subarray(0, length) : Buffer.alloc(length);
}
