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
/** Bytes of the buffers for results; a longer one has a buffer of its own. */
const scratchLength = 64 * 1024;
const noIv =
  'The module does not give back the IV of AES-GCM, as its profile says: set quirks.gcmIv to caller, or suite to 2.';

/** AES_256_GCM by the module. */
export class AesGcm implements Cipher {
  readonly #sealed = Buffer.alloc(scratchLength);
  readonly #opened = Buffer.alloc(scratchLength);
  // One object for all calls: its IV and AAD change with each.
  readonly #parameter: GcmParams = {
    type: pkcs11.CK_PARAMS_AES_GCM_v240,
    iv: Buffer.alloc(ivLength),
    ivBits: 8 * ivLength,
    aad: Buffer.alloc(0),
    tagBits: 8 * tagLength,
  };
  readonly #mechanism = { mechanism: pkcs11.CKM_AES_GCM, parameter: this.#parameter };

  /** @param ivs undefined: the module draws the IV, and writes it over the one that it is given */
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
      // An IV that was drawn and not told makes a ciphertext that nobody can decrypt; zeros that were used, one twice.
      if (!this.ivs && iv.every((byte) => byte === 0)) throw new HsmError('unsupported', noIv);
      return { iv, ciphertext: sealed };
    });
  }

  decrypt(id: Buffer, aad: Buffer, iv: Buffer, ciphertext: Buffer): Buffer {
    if (iv.length !== ivLength || ciphertext.length < tagLength) throw invalidCiphertext();
    return this.objects.use(id, (key) => {
      this.#parameter.iv = iv;
      this.#parameter.aad = aad;
      // SoftHSM wants room for the tag too, and would leave the operation open on CKR_BUFFER_TOO_SMALL.
      return decryptInto(this.token, this.#mechanism, key, ciphertext, view(this.#opened, ciphertext.length));
    });
  }
}

function view(scratch: Buffer, length: number): Buffer {
  return length <= scratch.length ? scratch.subarray(0, length) : Buffer.alloc(length);
}
