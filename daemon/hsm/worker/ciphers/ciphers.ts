// The ciphers by suite.
import { cipherSuites } from '../../../../proto/formats/ciphertext.js';
import type { CipherKey } from '../../key-store.js';
import type { ModuleQuirks } from '../../module-quirks.js';
import { AesCbcHmac } from './aes-cbc-hmac.js';
import { AesGcm } from './aes-gcm.js';
import type { Cipher } from './cipher.js';
import type { IvSource } from './iv-source.js';
import type { KeyObjects } from '../objects.js';
import { ModuleRsaOaep, RawRsaOaepSha256 } from './rsa-ciphers.js';
import type { Token } from '../token.js';

/** Makes the ciphers of a session. */
export function createCiphers(
  token: Token,
  objects: KeyObjects,
  ivs: IvSource,
  { oaepSha256InModule, drawsIvs }: ModuleQuirks,
): Readonly<Record<CipherKey['suite'], Cipher>> {
  return {
    [cipherSuites.AES_256_GCM]: new AesGcm(token, objects, drawsIvs ? undefined : ivs),
    [cipherSuites.AES_256_CBC_HMAC_SHA_256]: new AesCbcHmac(token, objects, ivs),
    'rsa-oaep-sha1': new ModuleRsaOaep(token, objects, 'sha1'),
    'rsa-oaep-sha256': oaepSha256InModule
      ? new ModuleRsaOaep(token, objects, 'sha256')
      : new RawRsaOaepSha256(token, objects),
  };
}
