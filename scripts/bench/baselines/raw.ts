// Baseline: a plain synchronous pkcs11js loop in a separate process, on the same token and with the same key. It answers
// {milliseconds} with operations per second. Arguments: the operation, the key's label, and the module if it is not SoftHSM.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pkcs11 from 'pkcs11js';
import { openToken } from './open-token.js';

export type RawOperation = 'encrypt' | 'decrypt' | 'data-key' | 'sign-ecdsa' | 'sign-rsa';

/** A request to measure. */
export interface RawRequest {
  readonly milliseconds: number;
}

const home = process.env.KEYHOLD_HOME ?? '';
const [operation = '', label = '', library] = process.argv.slice(2);
const aad = Buffer.alloc(72, 7);
const plaintext = Buffer.alloc(64, 1);

const opened = openToken(readFileSync(join(home, 'tokens/pin'), 'utf8'), library);
const { lib: module, handle: session } = opened;
const key = findKey();

/** Finds the key by label and class, since both halves of a pair have the same label. @throws Error if there is none */
function findKey(): Buffer {
  const isSigning = operation.startsWith('sign');
  const objectClass = isSigning ? pkcs11.CKO_PRIVATE_KEY : pkcs11.CKO_SECRET_KEY;
  const [found] = opened.find({ class: objectClass, label });
  if (!found) throw new Error(`The token has no key with the label ${label}.`);
  return found.handle;
}

function gcm(iv: Buffer) {
  const parameter = { type: pkcs11.CK_PARAMS_AES_GCM_v240, iv, ivBits: 96, aad, tagBits: 128 };
  return { mechanism: pkcs11.CKM_AES_GCM, parameter };
}

function encrypt(data: Buffer, iv = module.C_GenerateRandom(session, Buffer.alloc(12))): Buffer {
  module.C_EncryptInit(session, gcm(iv), key);
  return module.C_Encrypt(session, data, Buffer.alloc(data.length + 16));
}

function sign(mechanism: number, data: Buffer, length: number): Buffer {
  module.C_SignInit(session, { mechanism }, key);
  return module.C_Sign(session, data, Buffer.alloc(length));
}

const fixedIv = Buffer.alloc(12, 3);
const ciphertext = operation === 'decrypt' ? encrypt(plaintext, fixedIv) : Buffer.alloc(0);
const digest = Buffer.alloc(32, 5);
/** DigestInfo of SHA-256, RFC 8017, section 9.2. */
const digestInfo = Buffer.concat([Buffer.from('3031300d060960864801650304020105000420', 'hex'), digest]);
const operations: Readonly<Record<RawOperation, () => unknown>> = {
  encrypt: () => encrypt(plaintext),
  decrypt: () => {
    module.C_DecryptInit(session, gcm(fixedIv), key);
    return module.C_Decrypt(session, ciphertext, Buffer.alloc(ciphertext.length));
  },
  'data-key': () => encrypt(module.C_GenerateRandom(session, Buffer.alloc(32))),
  'sign-ecdsa': () => sign(pkcs11.CKM_ECDSA, digest, 64),
  'sign-rsa': () => sign(pkcs11.CKM_RSA_PKCS, digestInfo, 256),
};

const run = operations[operation as RawOperation];
process.on('message', ({ milliseconds }: RawRequest) => {
  let done = 0;
  const start = performance.now();
  while (performance.now() - start < milliseconds) {
    for (let index = 0; index < 16; index++) run();
    done += 16;
  }
  process.send?.((done * 1000) / (performance.now() - start));
});
process.send?.('ready');
