// Grant tokens, which CreateGrant returns beside the grant's ID for immediate use. In Keyhold a grant takes effect at once
// even without its token, so a token adds no permission; it only names its grant, and is refused if Keyhold did not make it.
import { randomBytes } from 'node:crypto';
import { KeyError } from '../errors.js';
import type { KeyStore, ObjectId } from '../../hsm/key-store.js';
import { hmacSha256 } from '../specs/table.js';

/** Prefix of the authenticated message, so that no other MAC under the key is valid for a token. */
const domain = Buffer.from('keyhold grant token, version 1\0');
const macLength = 32;
const nonceLength = 16;

/** Identifies a grant. */
export interface GrantName {
  readonly keyId: string;
  readonly grantId: string;
}

/**
 * Makes a new, unique token for a grant.
 * @param macKey an HMAC key of the HSM
 * @returns base64 of MAC (32 bytes), nonce (16 bytes), and `<key id>/<grant id>`
 */
export async function makeGrantToken(
  store: KeyStore,
  macKey: ObjectId,
  { keyId, grantId }: GrantName,
): Promise<string> {
  const text = Buffer.concat([randomBytes(nonceLength), Buffer.from(`${keyId}/${grantId}`)]);
  const mac = await store.sign(macKey, hmacSha256, 'none', Buffer.concat([domain, text]));
  return Buffer.concat([mac, text]).toString('base64');
}

/** Verifies grant tokens. @throws KeyError (invalid-grant-token) if CreateGrant did not return all of them */
export async function checkGrantTokens(
  store: KeyStore,
  macKey: ObjectId,
  tokens: readonly string[],
): Promise<void> {
  await Promise.all(
    tokens.map(async (token) => {
      const bytes = Buffer.from(token, 'base64');
      const [mac, text] = [bytes.subarray(0, macLength), bytes.subarray(macLength)];
      if (text.length <= nonceLength || bytes.toString('base64') !== token) throw invalidToken();
      if (!(await store.verify(macKey, hmacSha256, 'none', Buffer.concat([domain, text]), mac)))
        throw invalidToken();
    }),
  );
}

/** Returns the grant of a token that {@link checkGrantTokens} accepted. */
export function grantOfToken(token: string): GrantName {
  const text = Buffer.from(token, 'base64')
    .subarray(macLength + nonceLength)
    .toString();
  const [keyId = '', grantId = ''] = text.split('/');
  return { keyId, grantId };
}

function invalidToken() {
  return new KeyError(
    'invalid-grant-token',
    'The grant token is not valid: give it as CreateGrant returned it, or leave it out.',
  );
}
