// The ciphers by the byte that names them in a job. Suite 1 is AES-256-GCM with a 96-bit IV and a 128-bit tag (NIST SP
// 800-38D).
import pkcs11, { type GcmParams } from 'pkcs11js';
import { cipherCodes } from '../messages.js';
import { decryptInto, invalidCiphertext } from './decryption.js';
import type { KeyObjects } from './objects.js';
import { RsaOaepSha1, RsaOaepSha256 } from './rsa-ciphers.js';
import type { Token } from './token.js';

export const IV_LENGTH = 12;
const TAG_LENGTH = 16;
const SCRATCH = 64 * 1024;
const MOST_IVS = 128;

/** Encrypts and decrypts in one way. Results may be views of scratch memory, good until the next call. */
export interface Cipher {
  /** @returns IV, and ciphertext with what authenticates it */
  encrypt(id: Buffer, aad: Buffer, plaintext: Buffer): [iv: Buffer, ciphertext: Buffer];
  /** @throws HsmError 'invalid-ciphertext' */
  decrypt(id: Buffer, aad: Buffer, iv: Buffer, ciphertext: Buffer): Buffer;
}

/**
 * Random IVs from the HSM, each handed out once. They are drawn for the rest of a frame at a time (SoftHSM: 1.3 µs
 * a call, whether 12 bytes or 1,500; a device on the network: a round trip) and none outlives its frame: a machine
 * that is put back to a snapshot must not use an IV twice.
 */
export class IvSource {
  private readonly block = Buffer.alloc(MOST_IVS * IV_LENGTH);
  private readonly ivs = Array.from({ length: MOST_IVS }, (_, n) =>
    this.block.subarray(n * IV_LENGTH, (n + 1) * IV_LENGTH),
  );
  private drawn = 0;
  private used = 0;
  private expected = 0;

  constructor(private readonly token: Token) {}

  /** @param jobs how many jobs the frame holds */
  beginFrame(jobs: number): void {
    this.block.fill(0, 0, this.drawn * IV_LENGTH);
    this.drawn = this.used = 0;
    this.expected = jobs;
  }

  /** A view that the caller wipes after use. */
  next(): Buffer {
    if (this.used === this.drawn) {
      const count = Math.min(Math.max(this.expected, 1), MOST_IVS);
      this.drawn = this.used = 0;
      this.token.module.C_GenerateRandom(this.token.session, this.block.subarray(0, count * IV_LENGTH));
      this.drawn = count;
    }
    this.expected--;
    return this.ivs[this.used++] as Buffer;
  }
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

  constructor(
    private readonly token: Token,
    private readonly objects: KeyObjects,
    private readonly ivs: IvSource,
  ) {}

  encrypt(id: Buffer, aad: Buffer, plaintext: Buffer): [Buffer, Buffer] {
    const { module, session } = this.token;
    return this.objects.use(id, (key) => {
      const iv = this.ivs.next();
      this.parameter.iv = iv;
      this.parameter.aad = aad;
      module.C_EncryptInit(session, this.mechanism, key);
      const output = view(this.sealed, plaintext.length + TAG_LENGTH);
      return [iv, module.C_Encrypt(session, plaintext, output)];
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
): ReadonlyMap<number | undefined, Cipher> {
  return new Map<number, Cipher>([
    [cipherCodes[1], new AesGcm(token, objects, ivs)],
    [cipherCodes['rsa-oaep-sha1'], new RsaOaepSha1(token, objects)],
    [cipherCodes['rsa-oaep-sha256'], new RsaOaepSha256(token, objects)],
  ]);
}

function view(scratch: Buffer, length: number): Buffer {
  return length <= scratch.length ? scratch.subarray(0, length) : Buffer.alloc(length);
}
