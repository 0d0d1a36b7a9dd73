// What is peculiar to signed HTTP requests of the AWS endpoint, beside what they share with the WebSocket upgrade.
import { hash } from 'node:crypto';
import { IdentityError } from '../errors.js';
import { type Authorization, headerValue, headerValues, type SignedRequest } from './sigv4.js';

/** Headers whose value the service acts on: each of those that is there must be signed, and be there once. */
const significant = ['x-amz-target', 'x-amz-content-sha256', 'x-amz-security-token'];

/** Headers of which two would let two readers of a request see two requests. */
const single = ['authorization', 'host', 'date', 'x-amz-date', 'content-type', ...significant];

/**
 * A request's signed parts.
 * @param rawHeaders names and values in turn
 * @param body the bytes that came
 * @throws IdentityError (incomplete-signature) for a header that is there twice, IdentityError (invalid-signature) for a body that is
 *   not signed or another than was signed
 */
export function signedHttpRequest(
  method: string,
  target: string,
  rawHeaders: readonly string[],
  body: Uint8Array,
): SignedRequest {
  for (const name of single) {
    if (headerValues(rawHeaders, name).length < 2) continue;
    throw new IdentityError('incomplete-signature', `The header '${name}' must be there once.`);
  }
  const payloadHash = hash('sha256', body, 'hex');
  const claimed = headerValue(rawHeaders, 'x-amz-content-sha256');
  if (claimed !== '' && claimed !== payloadHash) {
    throw new IdentityError(
      'invalid-signature',
      /^[0-9a-f]{64}$/.test(claimed)
        ? "'X-Amz-Content-SHA256' is not the hash of the body that came."
        : "The body must be signed: 'X-Amz-Content-SHA256' takes its SHA-256 in hex, and may be left out.",
    );
  }
  return { method, target, rawHeaders, payloadHash };
}

/**
 * When a request was signed: X-Amz-Date, or Date where that is absent.
 * @returns `YYYYMMDDTHHMMSSZ`, or what was given instead
 * @throws IdentityError (incomplete-signature) where neither is there, or a header that counts is not signed
 */
export function signedDate({ rawHeaders }: SignedRequest, { signedHeaders }: Authorization): string {
  const header = headerValue(rawHeaders, 'x-amz-date') === '' ? 'date' : 'x-amz-date';
  const text = headerValue(rawHeaders, header);
  if (text === '') throw incomplete("Authorization header requires existence of 'X-Amz-Date' or 'Date'.");
  const present = significant.filter((name) => headerValue(rawHeaders, name) !== '');
  // Date is signed as part of the string to sign. HTTP/2 may sign its own name of the host.
  const host =
    signedHeaders.includes(':authority') && headerValue(rawHeaders, ':authority') !== '' ? [] : ['host'];
  const dated = header === 'x-amz-date' ? [header] : [];
  for (const name of [...host, ...dated, ...present]) {
    if (!signedHeaders.includes(name))
      throw incomplete(`The header '${name}' must be among the signed headers.`);
  }
  if (header === 'x-amz-date' || /^\d{8}T\d{6}Z$/.test(text)) return text;
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? text : time.toISOString().replace(/[-:]|\.\d+/g, '');
}

/** Why a credential is none. The upgrade tells no reason, the AWS endpoint tells AWS's. */
export type CredentialFault = 'unknown' | 'signature' | 'expired';

export const credentialErrors: Readonly<Record<CredentialFault, () => IdentityError>> = {
  unknown: () =>
    new IdentityError('unrecognized-credential', 'The security token included in the request is invalid.'),
  signature: () =>
    new IdentityError(
      'invalid-signature',
      'The request signature we calculated does not match the signature you provided. ' +
        'Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
    ),
  expired: () => new IdentityError('expired-token', 'The security token included in the request is expired'),
};

function incomplete(message: string): IdentityError {
  return new IdentityError('incomplete-signature', message);
}
