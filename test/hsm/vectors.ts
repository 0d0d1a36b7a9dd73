// Puts keys of published vectors into a token and checks the workers' results.
import { createPublicKey, randomBytes, type JsonWebKey } from 'node:crypto';
import { type ITemplate, KeyType, ObjectClass } from 'graphene-pk11';
import type { Test } from 'tap';
import type { KeyStore } from '../../daemon/hsm/key-store.js';
import { connectTo, makeToken, openSession } from './token.js';

const number = (text: string | undefined) => Buffer.from(text ?? '', 'base64url');
const hex = (text: string | undefined) => Buffer.from(text ?? '', 'hex');

/** Attributes of a public key object. */
export function publicTemplate(der: Buffer): ITemplate {
  const jwk: JsonWebKey = createPublicKey({ key: der, type: 'spki', format: 'der' }).export({
    format: 'jwk',
  });
  const base = { class: ObjectClass.PUBLIC_KEY, verify: true };
  if (jwk.kty === 'RSA')
    return { ...base, keyType: KeyType.RSA, modulus: number(jwk.n), publicExponent: number(jwk.e) };
  const { parameters, keyType, head } = {
    'P-256': { parameters: '06082a8648ce3d030107', keyType: KeyType.EC, head: '044104' },
    'P-521': { parameters: '06052b81040023', keyType: KeyType.EC, head: '04818504' },
    'P-384': { parameters: '06052b81040022', keyType: KeyType.EC, head: '046104' },
    Ed25519: { parameters: '06032b6570', keyType: 0x40, head: '0420' },
  }[jwk.crv as 'P-256'];
  const pointEC = Buffer.concat([hex(head), number(jwk.x), number(jwk.y)]);
  return { ...base, keyType, paramsEC: hex(parameters), pointEC };
}

/** A token with keys of the test, and a store that connects once they are there. */
export function prepare(t: Test) {
  const token = makeToken(t);
  const { session } = openSession(t, token);
  const known = new Map<string, Buffer>();
  const put = (template: ITemplate): Buffer => {
    const name = JSON.stringify(template);
    let id = known.get(name);
    if (id === undefined) {
      id = randomBytes(16);
      known.set(name, id);
      session.create({ token: true, id, ...template });
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

/** Runs all vectors at once and reports unexpected results. @param least minimum number of vectors */
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
