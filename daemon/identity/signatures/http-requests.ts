// Checks of signed HTTP requests that apply to the AWS endpoint only, not to the WebSocket upgrade.
import { hash } from 'node:crypto';
import { IdentityError } from '../errors.js';
import { type Authorization, headerValue, headerValues, type SignedRequest } from './sigv4.js';

/** Headers that the service acts on: each that is present must be signed and occur once. */
const significant = ['x-amz-target', 'x-amz-content-sha256', 'x-amz-security-token'];

/** Headers that must occur once, or two readers could understand a request differently. */
const single = ['authorization', 'host', 'date', 'x-amz-date', 'content-type', ...significant];

/**
 * Collects the signed parts of a request.
 * @param rawHeaders names and values alternating
 * @param body the received body
 * @throws IdentityError (incomplete-signature) for a duplicate header; (invalid-signature) if the body is not signed, or not
 * the   one that was signed
 */
export function signedHttpRequest(
  method: string,
  target: string,
  rawHeaders: readonly string[],
  body: Uint8Array,
): SignedRequest {
  for (const name of single) {
    if (headerValues(rawHeaders, name).length < 2) continue;
    throw new IdentityError('incomplete-signature', `The header '${name}' must occur only once.`);
  }
  const payloadHash = hash('sha256', body, 'hex');
  const claimed = headerValue(rawHeaders, 'x-amz-content-sha256');
  if (claimed !== '' && claimed !== payloadHash) {
    throw new IdentityError(
      'invalid-signature',
      /^[0-9a-f]{64}$/.test(claimed)
        ? "'X-Amz-Content-SHA256' is not the hash of the received body."
        : "The body must be signed: 'X-Amz-Content-SHA256' must be its SHA-256 in hex, or be left out.",
    );
  }
  return { method, target, rawHeaders, payloadHash };
}

/**
 * Returns the time of signing: X-Amz-Date, or Date if that is absent.
 * @returns `YYYYMMDDTHHMMSSZ`, or the header's text if it has another format
 * @throws IdentityError (incomplete-signature) if both are absent, or a significant header is not signed
 */
export function signedDate({ rawHeaders }: SignedRequest, { signedHeaders }: Authorization): string {
  const header = headerValue(rawHeaders, 'x-amz-date') === '' ? 'date' : 'x-amz-date';
  const text = headerValue(rawHeaders, header);
  if (text === '') throw incomplete("Authorization header requires existence of 'X-Amz-Date' or 'Date'.");
  const present = significant.filter((name) => headerValue(rawHeaders, name) !== '');
  // Date is part of the string to sign. HTTP/2 clients may sign `:authority` instead of `host`.
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

/** Why a credential is refused. The upgrade reveals no reason, the AWS endpoint the same as AWS. */
export type CredentialFault = 'unknown' | 'signature' | 'expired';

/** The errors of the AWS endpoint by reason. */
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
