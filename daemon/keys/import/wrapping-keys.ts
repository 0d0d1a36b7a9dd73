// Wrapping key pairs for imports, and their import tokens.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { KeyError } from '../errors.js';
import type { AlgorithmSpec, WrappingKeySpec } from '../../../proto/generated/messages.js';
import type { KeyStore, ObjectId } from '../../hsm/key-store.js';
import type { RecordChange, Records } from '../../store/records/records.js';
import { hmacSha256 } from '../specs/table.js';

/** Validity of a wrapping key pair and its token, in seconds. */
export const importParametersValid = 24 * 3_600;

const algorithm = z.custom<AlgorithmSpec>((value) => typeof value === 'string');
const wrappingKeySpec = z.custom<WrappingKeySpec>((value) => typeof value === 'string');

const wrappingKeyRecord = z.strictObject({
  /** CKA_ID of the pair, hex. */
  objectId: z.string().regex(/^[0-9a-f]{32}$/),
  algorithm,
  wrappingKeySpec,
  /** Epoch seconds. */
  expiresAt: z.number(),
});

/** The record of a wrapping pair, `wrapping-key/<key id>/<pair id>`. */
export type WrappingKeyRecord = z.output<typeof wrappingKeyRecord>;

/** Prefix of the keys of wrapping pairs' records. */
export const wrappingKeyPrefix = 'wrapping-key/';

/** Returns the names of the records of a key's wrapping pairs. */
export function wrappingKeyNames(records: Records, keyId: string): string[] {
  return [...records.keys(`${wrappingKeyPrefix}${keyId}/`)];
}

/** Reads the record of a wrapping pair. @param name the name of the record @returns undefined if the pair is gone */
export function wrappingKey(records: Records, name: string): WrappingKeyRecord | undefined {
  const text = records.get(name);
  return text === undefined ? undefined : wrappingKeyRecord.parse(JSON.parse(text));
}

/** Returns the CKA_IDs of all wrapping pairs, in hex. */
export function wrappingObjects(records: Records): string[] {
  return [...records.keys(wrappingKeyPrefix)].map((name) => wrappingKey(records, name)!.objectId);
}

/** Returns a new pair's id, and the change that stores its record. */
export function putWrappingKey(
  keyId: string,
  record: WrappingKeyRecord,
): { pairId: string; change: RecordChange } {
  const pairId = randomUUID();
  return { pairId, change: { key: nameOf(keyId, pairId), value: JSON.stringify(record) } };
}

function nameOf(keyId: string, pairId: string): string {
  return `${wrappingKeyPrefix}${keyId}/${pairId}`;
}

/** The content of an import token. */
const importToken = z.strictObject({
  keyId: z.string(),
  pairId: z.string(),
  algorithm,
  wrappingKeySpec,
  /** Epoch seconds. */
  expiresAt: z.number(),
});

/** The content of an import token. */
export type ImportToken = z.output<typeof importToken>;

/** Prefix of the authenticated message, so that no other MAC under the key is valid for a token. */
const domain = Buffer.from('keyhold import token, version 1\0');
const macLength = 32;

/** Authenticates an import token. @param macKey an HMAC key of the HSM @returns MAC (32 bytes), then the token as JSON */
export async function sealToken(store: KeyStore, macKey: ObjectId, token: ImportToken): Promise<Buffer> {
  const text = Buffer.from(JSON.stringify(token));
  return Buffer.concat([await store.sign(macKey, hmacSha256, 'none', Buffer.concat([domain, text])), text]);
}

/**
 * Verifies an import token, and returns the wrapping pair that it names.
 * @param sealed as {@link sealToken} returned it
 * @param keyId the key that it must be for
 * @throws KeyError (invalid-import-token, expired-import-token)
 */
export async function openToken(
  store: KeyStore,
  macKey: ObjectId,
  records: Records,
  sealed: Buffer,
  keyId: string,
): Promise<WrappingKeyRecord> {
  const [mac, text] = [sealed.subarray(0, macLength), sealed.subarray(macLength)];
  if (!(await store.verify(macKey, hmacSha256, 'none', Buffer.concat([domain, text]), mac)))
    throw invalidToken();
  const token = importToken.parse(JSON.parse(text.toString()));
  if (token.keyId !== keyId) throw invalidToken();
  if (token.expiresAt <= Date.now() / 1000) {
    throw new KeyError(
      'expired-import-token',
      'The import token has expired: get new parameters with GetParametersForImport, and wrap the material anew.',
    );
  }
  const pair = wrappingKey(records, nameOf(keyId, token.pairId));
  if (
    pair?.algorithm !== token.algorithm ||
    pair.wrappingKeySpec !== token.wrappingKeySpec ||
    pair.expiresAt !== token.expiresAt
  )
    throw invalidToken();
  return pair;
}

function invalidToken() {
  return new KeyError('invalid-import-token', '');
}
