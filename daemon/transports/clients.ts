// Checks and accounting of clients before they are authenticated, shared by the transports.
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { exceptions, type ServiceError } from '../../proto/errors.js';
import type { Authenticator } from '../identity/authenticator.js';
import type { FailedAuthentications } from '../identity/failed-authentications.js';
import { headerValue } from '../identity/signatures/sigv4.js';
import type { Logger } from '../observability/log.js';
import type { TlsDetails } from '../pipeline/request-context.js';
import type { NotedRequests } from '../pipeline/noted-requests.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import type { Gate } from './gate.js';
import type { Forwarded, TrustedProxies } from './proxies.js';
import { certificateOf, type VerifiedCertificate, type Verdicts } from './certified.js';
import type { RequestMemory } from './request-memory.js';

/** Dependencies of the transports. */
export interface TransportDeps {
  readonly pipeline: Pipeline;
  readonly authenticator: Authenticator;
  readonly failures: FailedAuthentications;
  readonly gate: Gate;
  readonly memory: RequestMemory;
  readonly noted: NotedRequests;
  readonly log: Logger;
  readonly verdicts: Verdicts;
  readonly proxies: TrustedProxies;
}

/** Errors that count as failed authentications. */
const authenticationErrors: ReadonlySet<string> = new Set([
  'IncompleteSignatureException',
  'InvalidSignatureException',
  'MissingAuthenticationTokenException',
  'UnrecognizedClientException',
]);

/**
 * Refuses a client that has failed to authenticate too often, before any cryptography is done for it.
 * @throws ThrottlingException
 */
export function refuseThrottled(deps: TransportDeps, request: IncomingMessage): void {
  const { failures, authenticator } = deps;
  const address = addressOf(deps, request);
  const accessKeyId = accessKeyIdOf(request);
  const token = headerValue(request.rawHeaders, 'x-amz-security-token');
  const wait = failures.mustWait(
    address,
    accessKeyId,
    () => accessKeyId !== undefined && authenticator.isKnown(accessKeyId, token),
  );
  if (wait === 0) return;
  failures.note(address, 'ThrottlingException', accessKeyId);
  throw tooManyFailures(wait);
}

/** Counts a failed authentication. @returns the error, or a ThrottlingException if there were too many */
export function countFailure(
  deps: TransportDeps,
  request: IncomingMessage,
  error: ServiceError,
): ServiceError {
  if (!authenticationErrors.has(error.code)) return error;
  const retryAfter = deps.failures.note(addressOf(deps, request), error.code, accessKeyIdOf(request));
  return retryAfter === 0 ? error : tooManyFailures(retryAfter, error.cause);
}

/** Logs a refusal, unless its source has had too many logged in this minute. @param text the log message */
export function logRefusal(
  deps: TransportDeps,
  request: IncomingMessage,
  error: ServiceError,
  text: string,
  requestId?: string,
): void {
  const source = addressOf(deps, request);
  if (!deps.failures.mayLog(source)) return;
  const reason = error.cause instanceof Error ? error.cause.message : undefined;
  deps.log.warn({ code: error.code, reason, source, requestId }, text);
}

/** Returns the address that a request comes from, or `unix`. Behind a trusted proxy it is the client's address. */
export function addressOf(deps: TransportDeps, request: IncomingMessage): string {
  // A socket that has closed has no address any more.
  const { remoteAddress } = request.socket;
  const peer = remoteAddress ?? deps.gate.connectionOf(request.socket)?.address;
  // HTTP/2 is served over TCP alone.
  const unknown = request.httpVersionMajor === 2 ? 'unknown' : 'unix';
  return deps.proxies.forwarded(request, peer)?.address ?? peer ?? unknown;
}

/** Returns the target and headers as the client signed them. @param rawHeaders alternating names and values */
export function asSigned(
  target: string,
  rawHeaders: readonly string[],
  forwarded: Forwarded | undefined,
): { readonly target: string; readonly rawHeaders: readonly string[] } {
  if (!forwarded) return { target, rawHeaders };
  const { host, prefix } = forwarded;
  const signedTarget = `${prefix}${target}`;
  if (host === undefined) return { target: signedTarget, rawHeaders };
  const others = rawHeaders.filter((_text, at) => rawHeaders[at - (at % 2)]!.toLowerCase() !== 'host');
  return { target: signedTarget, rawHeaders: [...others, 'host', host] };
}

function accessKeyIdOf({ rawHeaders }: IncomingMessage): string | undefined {
  return /Credential=([^/,\s]+)/.exec(headerValue(rawHeaders, 'authorization'))?.[1];
}

function tooManyFailures(retryAfter: number, cause?: unknown): ServiceError {
  const message = `Too many failed authentications: check the credentials, and wait ${Math.ceil(retryAfter / 1000)} s.`;
  return new exceptions.ThrottlingException(message, { retryAfter, cause });
}

/**
 * Returns the verified certificate of a connection.
 * @throws ThrottlingException if it was verified too long ago: the client must open a new connection
 */
export function freshCertificate(
  { verdicts }: TransportDeps,
  request: IncomingMessage,
): VerifiedCertificate | undefined {
  const certificate = certificateOf(request.socket);
  if (certificate && verdicts.isStale(certificate)) {
    const message = 'The certificate of this connection is to be verified again: make a new connection.';
    throw new exceptions.ThrottlingException(message);
  }
  return certificate;
}

/** Returns the TLS details of a connection for audit events. @returns undefined without TLS */
export function tlsDetailsOf(socket: Socket, host: string | undefined): TlsDetails | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const tlsVersion = socket.getProtocol() ?? 'unknown';
  return { tlsVersion, cipherSuite: socket.getCipher().name, clientProvidedHostHeader: host };
}
