// Key material generated and wrapped outside, as users of the API do: by the openssl command and, for comparison, by Node.
import {
  createCipheriv,
  createPrivateKey,
  constants,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { AlgorithmSpec, KeySpec } from '../../proto/generated/messages.js';
import { openssl } from './certificates/openssl.js';

/** Generates material by key spec: bytes, or PKCS #8 in DER. */
const generators: Readonly<Partial<Record<KeySpec, () => Buffer>>> = {
  SYMMETRIC_DEFAULT: () => randomBytes(32),
  HMAC_224: () => randomBytes(28),
  HMAC_256: () => randomBytes(32),
  HMAC_384: () => randomBytes(48),
  HMAC_512: () => randomBytes(64),
  RSA_2048: () => rsa(2_048),
  RSA_3072: () => rsa(3_072),
  RSA_4096: () => rsa(4_096),
  ECC_NIST_P256: () => ec('prime256v1'),
  ECC_NIST_P384: () => ec('secp384r1'),
  ECC_NIST_P521: () => ec('secp521r1'),
  ECC_SECG_P256K1: () => ec('secp256k1'),
  ECC_NIST_EDWARDS25519: () => pkcs8(generateKeyPairSync('ed25519').privateKey),
};

function rsa(modulusLength: number): Buffer {
  return pkcs8(generateKeyPairSync('rsa', { modulusLength }).privateKey);
}

function ec(namedCurve: string): Buffer {
  return pkcs8(generateKeyPairSync('ec', { namedCurve }).privateKey);
}

/** A private key in the form for an import: PKCS #8 in DER. */
export function pkcs8(privateKey: KeyObject): Buffer {
  return privateKey.export({ type: 'pkcs8', format: 'der' });
}

/** New material for a key: bytes, or PKCS #8 in DER. */
export function newMaterial(spec: KeySpec): Buffer {
  return generators[spec]!();
}

/** A private key as Node's KeyObject, from PKCS #8 in DER. */
export function privateKeyOf(material: Buffer): KeyObject {
  return createPrivateKey({ key: material, type: 'pkcs8', format: 'der' });
}

/** Wraps as docs/import.md tells users to, with the openssl command. @param publicKey SubjectPublicKeyInfo in DER */
export function wrapWithOpenssl(algorithm: AlgorithmSpec, publicKey: Uint8Array, material: Buffer): Buffer {
  const hash = algorithm.endsWith('SHA_1') ? 'sha1' : 'sha256';
  const oaep = (plaintext: Buffer) =>
    openssl(
      [
        ...['pkeyutl', '-encrypt', '-in', 'plain', '-inkey', 'key', '-keyform', 'DER', '-pubin'],
        ...['-pkeyopt', 'rsa_padding_mode:oaep', '-pkeyopt', `rsa_oaep_md:${hash}`],
        ...['-pkeyopt', `rsa_mgf1_md:${hash}`],
      ],
      { plain: plaintext, key: publicKey },
    );
  if (algorithm.startsWith('RSAES')) return oaep(material);
  const aes = randomBytes(32);
  const key = ['-K', aes.toString('hex'), '-iv', 'A65959A6'];
  const wrapped = openssl(['enc', '-id-aes256-wrap-pad', ...key, '-in', 'plain'], { plain: material });
  return Buffer.concat([oaep(aes), wrapped]);
}

/** Like {@link wrapWithOpenssl}, but by Node, which is faster. @param aes the AES key, of 16, 24 or 32 bytes */
export function wrap(
  algorithm: AlgorithmSpec,
  publicKey: Uint8Array,
  material: Buffer,
  aes = randomBytes(32),
): Buffer {
  const oaepHash = algorithm.endsWith('SHA_1') ? 'sha1' : 'sha256';
  const key = { key: Buffer.from(publicKey), type: 'spki', format: 'der' } as const;
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const oaep = (plaintext: Buffer) => publicEncrypt({ ...key, padding, oaepHash }, plaintext);
  if (algorithm.startsWith('RSAES')) return oaep(material);
  const cipher = createCipheriv(`id-aes${8 * aes.length}-wrap-pad`, aes, Buffer.from('a65959a6', 'hex'));
  return Buffer.concat([oaep(aes), cipher.update(material), cipher.final()]);
}
