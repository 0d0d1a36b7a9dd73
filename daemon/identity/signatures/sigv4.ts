// AWS Signature Version 4, the verifying side ("Signature Version 4 signing process", AWS General Reference).
import { createHash, createHmac } from 'node:crypto';
import { IdentityError } from '../errors.js';

const algorithm = 'AWS4-HMAC-SHA256';

/** The signed parts of an HTTP request. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query, as on the request line. */
  readonly target: string;
  /** Names and values alternating, as received (`rawHeaders` of node:http). */
  readonly rawHeaders: readonly string[];
  /** SHA-256 of the body, lower-case hex. */
  readonly payloadHash: string;
}

/** The fields of an Authorization header. */
export interface Authorization {
  readonly accessKeyId: string;
  /** YYYYMMDD */
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  /** 64 lower-case hex characters. */
  readonly signature: string;
}

/**
 * Parses an Authorization header.
 * @throws IdentityError (missing-credential) if there is none; (incomplete-signature) if it is malformed
 */
export function parseAuthorization(header: string | undefined): Authorization {
  if (!header?.startsWith(algorithm)) {
    throw new IdentityError(
      'missing-credential',
      'Missing Authentication Token: sign the request with SigV4 in its Authorization header, not in its query.',
    );
  }
  const parts = new Map(
    header
      .slice(algorithm.length)
      .split(',')
      .map((part) => {
        const [name = '', ...value] = part.trim().split('=');
        return [name, value.join('=')];
      }),
  );
  const part = (name: string): string => {
    const value = parts.get(name);
    if (value) return value;
    throw new IdentityError('incomplete-signature', `Authorization header requires '${name}' parameter.`);
  };
  const credential = part('Credential').split('/');
  const [accessKeyId = '', date = '', region = '', service = '', terminator] = credential;
  if (credential.length !== 5 || terminator !== 'aws4_request' || !/^[0-9]{8}$/.test(date)) {
    const form = 'Credential must be ACCESS_KEY_ID/YYYYMMDD/REGION/SERVICE/aws4_request.';
    throw new IdentityError('incomplete-signature', form);
  }
  const signedHeaders = part('SignedHeaders').split(';');
  return { accessKeyId, date, region, service, signedHeaders, signature: part('Signature') };
}

/** Makes the canonical request. */
export function canonicalRequest(request: SignedRequest, signedHeaders: readonly string[]): string {
  const mark = request.target.indexOf('?');
  const path = mark === -1 ? request.target : request.target.slice(0, mark);
  const query = mark === -1 ? '' : request.target.slice(mark + 1);
  const headers = signedHeaders.map((name) => `${name}:${headerValue(request.rawHeaders, name)}\n`);
  return [
    request.method,
    canonicalPath(path),
    canonicalQuery(query),
    headers.join(''),
    signedHeaders.join(';'),
    request.payloadHash,
  ].join('\n');
}

/**
 * Makes the string to sign.
 * @param time `YYYYMMDDTHHMMSSZ`
 * @param canonical the canonical request, one character for each byte, as node:http reads headers
 */
export function stringToSign(time: string, scope: Authorization, canonical: string): string {
  const credentialScope = `${scope.date}/${scope.region}/${scope.service}/aws4_request`;
  const digest = createHash('sha256').update(canonical, 'latin1').digest('hex');
  return `${algorithm}\n${time}\n${credentialScope}\n${digest}`;
}

/** Derives the signing key for a day (YYYYMMDD), Region and service. @returns 32 bytes, which the caller wipes */
export function signingKey(secret: Buffer, date: string, region: string, service: string): Buffer {
  const seed = Buffer.concat([Buffer.from('AWS4'), secret]);
  let key = seed;
  for (const part of [date, region, service, 'aws4_request']) {
    const next = createHmac('sha256', key).update(part).digest();
    key.fill(0);
    key = next;
  }
  return key;
}

/** Signs a string to sign. @returns 32 bytes */
export function sign(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

/** Values by lower-case name. A dozen headers of each request are looked up, so its names are indexed once. */
const indexes = new WeakMap<readonly string[], ReadonlyMap<string, readonly string[]>>();

/** Returns the values of a header, as received. @param name in lower case */
export function headerValues(rawHeaders: readonly string[], name: string): readonly string[] {
  let index = indexes.get(rawHeaders);
  if (!index) {
    index = indexOf(rawHeaders);
    indexes.set(rawHeaders, index);
  }
  return index.get(name) ?? [];
}

/**
 * Returns the values of a header in SigV4's form: joined with commas, each run of white space replaced by a space. Only ASCII
 * white space counts, because other bytes that JavaScript treats as white space are parts of UTF-8 characters.
 * @param name in lower case
 */
export function headerValue(rawHeaders: readonly string[], name: string): string {
  return headerValues(rawHeaders, name)
    .map((value) => value.replace(/[\t-\r ]+/g, ' ').replace(/^ | $/g, ''))
    .join(',');
}

function indexOf(rawHeaders: readonly string[]): Map<string, string[]> {
  const index = new Map<string, string[]>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase();
    const values = index.get(name);
    if (values) values.push(rawHeaders[at + 1]!);
    else index.set(name, [rawHeaders[at + 1]!]);
  }
  return index;
}

function canonicalPath(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  // Clients keep a trailing slash, and add none for trailing dots.
  return `/${kept.map(encode).join('/')}${path.endsWith('/') && kept.length > 0 ? '/' : ''}`;
}

function canonicalQuery(query: string): string {
  if (query === '') return '';
  const pairs = query.split('&').map((pair) => {
    const mark = pair.indexOf('=');
    const [name, value] = mark === -1 ? [pair, ''] : [pair.slice(0, mark), pair.slice(mark + 1)];
    return [encode(decode(name)), encode(decode(value))] as const;
  });
  // Sorted by name and then by value; sorting the joined pairs would put "a-b=" before "a=".
  pairs.sort(([nameA, valueA], [nameB, valueB]) => compare(nameA, nameB) || compare(valueA, valueB));
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function decode(text: string): string {
  const plain = text.replace(/%([0-9A-Fa-f]{2})/g, (_match, hex: string) =>
    String.fromCharCode(parseInt(hex, 16)),
  );
  return plain;
}

/** Percent-encodes bytes (a latin1 string, like the target of node:http) except for RFC 3986's unreserved characters. */
function encode(text: string): string {
  return text.replace(/[^A-Za-z0-9\-._~]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  });
}
