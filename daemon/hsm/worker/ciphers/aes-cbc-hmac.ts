// AES_256_CBC_HMAC_SHA_256, for modules without AES-GCM: AES-256-CBC, then HMAC-SHA-256 with a second key over AAD, IV and
// ciphertext, in the order of RFC 7518, section 5.2.2.1. Both keys are in the HSM.
import pkcs11 from 'pkcs11js';
import type { Ciphertext } from '../../key-store.js';
import type { Cipher } from './cipher.js';
import { invalidCiphertext } from './decryption.js';
import type { IvSource } from './iv-source.js';
import type { KeyObjects } from '../objects.js';
import type { Token } from '../token.js';
import { verify } from '../verification.js';

const block = 16;
const macLength = 32;
const hmac = { mechanism: pkcs11.CKM_SHA256_HMAC };

/** AES_256_CBC_HMAC_SHA_256 with the module's AES-CBC and HMAC. */
export class AesCbcHmac implements Cipher {
  constructor(
    private readonly token: Token,
    private readonly objects: KeyObjects,
    private readonly ivs: IvSource,
  ) {}

  encrypt(id: Buffer, aad: Buffer, plaintext: Buffer): Ciphertext {
    const { module, session } = this.token;
    // CKM_AES_CBC and not CKM_AES_CBC_PAD, which fewer modules have.
    const padded = Buffer.alloc(plaintext.length + block - (plaintext.length % block));
    padded.fill(padded.length - plaintext.length).set(plaintext);
    try {
      return this.objects.useBoth(id, (key, mac) => {
        const iv = this.ivs.next(block);
        module.C_EncryptInit(session, { mechanism: pkcs11.CKM_AES_CBC, parameter: iv }, key);
        const encrypted = module.C_Encrypt(session, padded, Buffer.alloc(padded.length));
        module.C_SignInit(session, hmac, mac);
        const tag = module.C_Sign(session, authenticated(aad, iv, encrypted), Buffer.alloc(macLength));
        return { iv, ciphertext: Buffer.concat([encrypted, tag]) };
      });
    } finally {
      padded.fill(0);
    }
  }

  // There is no padding oracle: the padding of an authentic ciphertext is the one that encrypt() made.
  decrypt(id: Buffer, aad: Buffer, iv: Buffer, ciphertext: Buffer): Buffer {
    const { module, session } = this.token;
    const length = ciphertext.length - macLength;
    if (iv.length !== block || length < block || length % block !== 0) throw invalidCiphertext();
    const encrypted = ciphertext.subarray(0, length);
    return this.objects.useBoth(id, (key, mac) => {
      const tag = ciphertext.subarray(length);
      if (!verify(this.token, mac, hmac, authenticated(aad, iv, encrypted), tag)) throw invalidCiphertext();
      module.C_DecryptInit(session, { mechanism: pkcs11.CKM_AES_CBC, parameter: iv }, key);
      const padded = module.C_Decrypt(session, encrypted, Buffer.alloc(length));
      const padding = padded[padded.length - 1] ?? 0;
      if (padded.length !== length || padding === 0 || padding > block) throw invalidCiphertext();
      return padded.subarray(0, length - padding);
    });
  }
}

/** The bytes that the HMAC covers. The length of the AAD comes last, so that bytes cannot move from one part to another. */
function authenticated(aad: Buffer, iv: Buffer, encrypted: Buffer): Buffer {
  const bits = Buffer.alloc(8);
  bits.writeBigUInt64BE(BigInt(8 * aad.length));
  return Buffer.concat([aad, iv, encrypted, bits]);
}
