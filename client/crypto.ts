// WebCrypto with the curve secp256k1, named `K-256`, which Node's own WebCrypto lacks. The package is named here alone.
import { Crypto } from '@peculiar/webcrypto';
import type { webcrypto } from 'node:crypto';

/**
 * A WebCrypto implementation (W3C Web Cryptography Level 2) over Node's OpenSSL. Its keys are its own: use them with
 * `crypto.subtle`, not with Node's `globalThis.crypto`.
 */
export const crypto = new Crypto() as unknown as webcrypto.Crypto;
