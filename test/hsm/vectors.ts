// Keys of published vectors, put into a token by the test, and the judgement of what the workers say of the vectors.
import { createPublicKey, randomBytes, type JsonWebKey } from 'node:crypto';
import pkcs11, { type Template } from 'pkcs11js';
import type { Test } from 'tap';
import type { KeyStore } from '../../daemon/hsm/key-store.js';
import { connectTo, makeToken, openSession } from './token.js';

const number = (text: string | undefined) => Buffer.from(text ?? '', 'base64url');
const hex = (text: string | undefined) => Buffer.from(text ?? '', 'hex');

/** Attributes of a public key object. */
export function publicTemplate(der: Buffer): Template {
  const jwk: JsonWebKey = createPublicKey({ key: der, type: 'spki', format: 'der' }).export({
    format: 'jwk',
  });
  const base = [
    { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PUBLIC_KEY },
    { type: pkcs11.CKA_VERIFY, value: true },
  ];
  if (jwk.kty === 'RSA')
    return [
      ...base,
      { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_RSA },
      { type: pkcs11.CKA_MODULUS, value: number(jwk.n) },
      { type: pkcs11.CKA_PUBLIC_EXPONENT, value: number(jwk.e) },
    ];
  const { parameters, keyType, head } = {
    'P-256': { parameters: '06082a8648ce3d030107', keyType: pkcs11.CKK_EC, head: '044104' },
    'P-521': { parameters: '06052b81040023', keyType: pkcs11.CKK_EC, head: '04818504' },
    'P-384': { parameters: '06052b81040022', keyType: pkcs11.CKK_EC, head: '046104' },
    Ed25519: { parameters: '06032b6570', keyType: 0x40, head: '0420' },
  }[jwk.crv as 'P-256'];
  return [
    ...base,
    { type: pkcs11.CKA_KEY_TYPE, value: keyType },
    { type: pkcs11.CKA_EC_PARAMS, value: hex(parameters) },
    { type: pkcs11.CKA_EC_POINT, value: Buffer.concat([hex(head), number(jwk.x), number(jwk.y)]) },
  ];
}

/** A token that holds keys of the test, and a store that connects once they are there. */
export function prepare(t: Test) {
  const token = makeToken(t);
  const { module, session } = openSession(t, token);
  const known = new Map<string, Buffer>();
  const put = (template: Template): Buffer => {
    const name = JSON.stringify(template);
    let id = known.get(name);
    if (id === undefined) {
      id = randomBytes(16);
      known.set(name, id);
      module.C_CreateObject(session, [
        { type: pkcs11.CKA_TOKEN, value: true },
        { type: pkcs11.CKA_ID, value: id },
        ...template,
      ]);
    }
    return id;
  };
  return { put, connect: () => connectTo(t, token).then(({ store }) => store) };
}

export interface Case {
  readonly name: string;
  readonly isValid: boolean;
  readonly accepts: (store: KeyStore) => Promise<boolean>;
}

/** Runs vectors at once and says which came out otherwise than they should. @param least how many there must be */
export async function judgeAll(t: Test, cases: readonly Case[], store: KeyStore, least = 26): Promise<void> {
  const wrong: string[] = [];
  await Promise.all(
    cases.map(async ({ name, isValid, accepts }) => {
      if ((await accepts(store)) !== isValid) wrong.push(name);
    }),
  );
  t.strictSame(wrong, []);
  t.ok(cases.length >= least, `${cases.length} vectors`);
}
