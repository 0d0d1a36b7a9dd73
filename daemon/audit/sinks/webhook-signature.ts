// Signatures of webhooks, as Standard Webhooks defines them (https://www.standardwebhooks.com, specification 1.0.0).
import { createHash, createHmac } from 'node:crypto';

/** Lengths of a secret in bytes. */
const [shortest, longest] = [24, 64];
const prefix = 'whsec_';
/** The most secrets of one file: two, while one takes the place of the other, and some more. */
const mostSecrets = 4;

/** A file of secrets that cannot be used. Its message says what was expected, and quotes nothing. */
export class SecretError extends Error {}

/**
 * Reads the secrets of a file, one a line: `whsec_` and the base64 of 24 to 64 bytes.
 * @returns the keys; a message is signed with each
 * @throws SecretError
 */
export function parseSecrets(file: Buffer): Buffer[] {
  const lines = file
    .toString('latin1')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const keys = lines.map((line) =>
    line.startsWith(prefix) ? Buffer.from(line.slice(prefix.length), 'base64') : undefined,
  );
  const isUsable = (key: Buffer | undefined, at: number): key is Buffer =>
    key !== undefined &&
    key.length >= shortest &&
    key.length <= longest &&
    key.toString('base64').replace(/=+$/, '') === lines[at]!.slice(prefix.length).replace(/=+$/, '');
  if (keys.length < 1 || keys.length > mostSecrets || !keys.every(isUsable))
    throw new SecretError(
      `it must have 1 to ${mostSecrets} lines, each '${prefix}' and the base64 of ${shortest} to ${longest} random bytes`,
    );
  return keys as Buffer[];
}

/**
 * The headers of a message.
 * @param keys of HMAC-SHA256, 24 to 64 bytes each
 * @param seconds of the attempt, since 1970
 * @returns `webhook-id`, the same for the same body; `webhook-timestamp`; `webhook-signature`: for each key `v1,` and the
 *   base64 of the HMAC of `ID.TIMESTAMP.BODY`
 */
export function signedHeaders(
  keys: readonly Buffer[],
  body: Buffer,
  seconds: number,
): Record<string, string> {
  const id = `msg_${createHash('sha256').update(body).digest('hex').slice(0, 32)}`;
  const signatures = keys.map((key) => {
    const mac = createHmac('sha256', key).update(`${id}.${seconds}.`).update(body);
    return `v1,${mac.digest('base64')}`;
  });
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': signatures.join(' '),
  };
}
