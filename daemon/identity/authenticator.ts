import { timingSafeEqual } from 'node:crypto';
import { IdentityError } from './errors.js';
import type { AccessKeys, ActiveAccessKey } from './access-keys.js';
import type { AssumedRoleCaller, Caller, RootCaller, UserCaller } from './caller.js';
import { identityOf, sessionOf, withIdentity } from './caller.js';
import type { ClientCertificate, ClientCertificates } from './certificates/certificates.js';
import { type CredentialFault, credentialErrors, signedDate } from './signatures/http-requests.js';
import type { Identities, Role, User } from './identities.js';
import { assumedRoleArn } from './names.js';
import { Replays } from './signatures/replays.js';
import { type ShareLimits, shareNameOf } from './shares.js';
import { unixSource } from './source.js';
import type { OpenedSession, Sessions } from './sessions/sessions.js';
import type { Session } from './sessions/session.js';
import { checkSigningTime, maxSkew } from './signatures/signing-time.js';
import {
  type Authorization,
  canonicalRequest,
  headerValue,
  parseAuthorization,
  sign,
  type SignedRequest,
  stringToSign,
} from './signatures/sigv4.js';

/** The account and Region of this Keyhold. */
export interface Scope {
  readonly account: string;
  readonly region: string;
}

/** The evidence of a client's identity. */
export interface Evidence {
  readonly request: SignedRequest;
  /** The client's certificate (DER), if OpenSSL has verified it. */
  readonly certificate?: Buffer | undefined;
  /** The client's address, as {@link sourceOf} returns it. Default: this machine. */
  readonly source?: string;
}

/** The credentials that authenticate callers. */
export interface Credentials {
  readonly identities: Identities;
  readonly accessKeys: AccessKeys;
  readonly sessions: Sessions;
  /** undefined if client certificates are not requested. */
  readonly certificates: ClientCertificates | undefined;
}

/** Authentication by AWS Signature Version 4 and by client certificates. */
export class Authenticator {
  readonly #replays: Replays;
  /** Requests signed before this second may have been accepted by a daemon that ran before this one. */
  readonly #notBefore: number;

  /**
   * @param startedAt epoch milliseconds at which this daemon had locked the store
   * @param upgrades limits of the signatures of upgrades that are remembered
   */
  constructor(
    private readonly credentials: Credentials,
    private readonly scope: Scope,
    startedAt: number,
    upgrades: ShareLimits,
  ) {
    this.#replays = new Replays(2 * maxSkew, upgrades);
    this.#notBefore = Math.ceil(startedAt / 1000) * 1000;
  }

  /** Epoch milliseconds from which a client with a correct clock can connect. */
  get notBefore(): number {
    return this.#notBefore;
  }

  /**
   * Authenticates a WebSocket upgrade. Each signature is accepted once. The random Sec-WebSocket-Key must be among the signed
   * headers, or one signature could open any number of connections. A verified certificate needs no signature; if there are
   * both, they must belong to the same principal.
   * @throws IdentityError (incomplete-signature, missing-credential); (invalid-signature) for a wrong time or a replay;
   *   (unrecognized-credential) for every fault that depends on the credential, with the reason for the log as its cause
   */
  async authenticateUpgrade({ request, certificate, source = unixSource }: Evidence): Promise<Caller> {
    const byCertificate = certificate && this.#byCertificate(certificate);
    const header = headerValue(request.rawHeaders, 'authorization');
    if (byCertificate && header === '') return byCertificate;
    const authorization = parseAuthorization(header || undefined);
    const now = Date.now();
    const time = headerValue(request.rawHeaders, 'x-amz-date');
    const signedAt = this.#checkSigned(request, authorization, now, ['sec-websocket-key']);
    if (signedAt < this.#notBefore) {
      throw new IdentityError(
        'invalid-signature',
        'Signature expired: it was made before this daemon started. Sign the connection again.',
      );
    }
    const found = await this.#bySignature(request, authorization, time, now);
    if (typeof found === 'string') throw unrecognized(found);
    this.#replays.claim(authorization.signature, now, { principal: shareNameOf(found), source });
    return both(found, byCertificate);
  }

  /**
   * Authenticates a request of the AWS endpoint. Two equal requests within a second have equal signatures, so replays are not
   * refused: as at AWS, the time window and TLS protect against them. A verified certificate needs no signature; if there are
   * both, they must belong to the same principal.
   * @param service the service that the credential scope must name
   * @throws IdentityError (incomplete-signature, missing-credential, invalid-signature),
   *   IdentityError (unrecognized-credential, expired-token)
   */
  async authenticateRequest({ request, certificate }: Evidence, service: string): Promise<Caller> {
    const byCertificate = certificate && this.#byCertificate(certificate);
    const header = headerValue(request.rawHeaders, 'authorization');
    if (byCertificate && header === '') return byCertificate;
    const authorization = parseAuthorization(header || undefined);
    const now = Date.now();
    const time = signedDate(request, authorization);
    checkSigningTime(time, authorization.date, now);
    this.#checkScope(authorization, service);
    const found = await this.#bySignature(request, authorization, time, now);
    if (typeof found === 'string') throw credentialErrors[found]();
    return both(found, byCertificate);
  }

  /**
   * Returns the present state of a caller. Called for every request.
   * @throws IdentityError (unrecognized-credential, expired-token) if its credential is no longer valid
   */
  current(caller: Caller): Caller {
    const { accessKey, certificate } = caller;
    if (accessKey && !this.credentials.accessKeys.isCurrent(accessKey))
      throw unrecognized('the access key has changed');
    if (certificate && !this.isCurrent(certificate)) throw unrecognized('the certificate is no longer valid');
    const session = sessionOf(caller);
    if (session && session.expiresAt * 1000 <= Date.now()) throw expired();
    const identity = identityOf(caller);
    if (!identity) return caller;
    const principal = this.credentials.identities.principal(identity.id);
    if (!principal) throw unrecognized('the principal was deleted');
    return withIdentity(caller, principal);
  }

  /** Whether a certificate is still valid: not expired, and mapped to the same principal. */
  isCurrent(certificate: ClientCertificate): boolean {
    return this.credentials.certificates?.isCurrent(certificate) ?? false;
  }

  /** Whether an access key exists or a session token is authentic, without calling the HSM. @param token '' for none */
  isKnown(accessKeyId: string, token: string): boolean {
    const { sessions, accessKeys } = this.credentials;
    return token === ''
      ? accessKeys.find(accessKeyId) !== undefined
      : sessions.isAuthentic(accessKeyId, token);
  }

  /** Checks what does not depend on the access key. @returns the time of signing in epoch milliseconds */
  #checkSigned(
    request: SignedRequest,
    authorization: Authorization,
    now: number,
    required: readonly string[],
  ): number {
    const token = headerValue(request.rawHeaders, 'x-amz-security-token') ? ['x-amz-security-token'] : [];
    for (const name of ['host', 'x-amz-date', ...required, ...token]) {
      if (authorization.signedHeaders.includes(name)) continue;
      throw new IdentityError(
        'incomplete-signature',
        `The header '${name}' must be among the signed headers.`,
      );
    }
    const time = headerValue(request.rawHeaders, 'x-amz-date');
    const signedAt = checkSigningTime(time, authorization.date, now);
    this.#checkScope(authorization, 'kms');
    return signedAt;
  }

  #checkScope({ region, service }: Authorization, expected: string): void {
    if (region === this.scope.region && service === expected) return;
    throw new IdentityError(
      'invalid-signature',
      `Credential should be scoped to the Region '${this.scope.region}' and the service '${expected}'.`,
    );
  }

  /** Does the same work for every access key, so that the duration reveals nothing. */
  async #bySignature(
    request: SignedRequest,
    authorization: Authorization,
    time: string,
    now: number,
  ): Promise<Caller | CredentialFault> {
    const { accessKeyId, date, region, service, signedHeaders, signature } = authorization;
    const token = headerValue(request.rawHeaders, 'x-amz-security-token');
    const { sessions, accessKeys } = this.credentials;
    const session = token === '' ? undefined : await sessions.open(accessKeyId, token, authorization);
    if (session === 'expired') return 'expired';
    const accessKey = token === '' ? accessKeys.find(accessKeyId) : undefined;
    const key = session?.signingKey ?? (await accessKeys.signingKey(accessKey, date, region, service));
    const text = stringToSign(time, authorization, canonicalRequest(request, signedHeaders));
    const expected = Buffer.from(sign(key, text).toString('hex'));
    key.fill(0);
    // Compares the hex text, not the decoded bytes: otherwise a replay could spell the same signature differently.
    const given = Buffer.from(signature, 'latin1');
    const isValid = given.length === expected.length && timingSafeEqual(given, expected);
    const caller = session ? this.#ofSession(session) : accessKey && this.#ofAccessKey(accessKey);
    if (!caller) return 'unknown';
    if (!isValid) return 'signature';
    return session && session.session.expiresAt * 1000 <= now ? 'expired' : caller;
  }

  #ofAccessKey(accessKey: ActiveAccessKey): Caller | undefined {
    return this.#ofPrincipal(accessKey.principalId, { accessKeyId: accessKey.accessKeyId, accessKey });
  }

  #ofSession({ accessKeyId, session }: OpenedSession): Caller | undefined {
    if (!('roleId' in session))
      return this.#ofPrincipal(session.principalId, { accessKeyId, temporary: session });
    const role = this.credentials.identities.principal(session.roleId);
    return role?.record.type === 'Role' ? this.#assumed(role as Role, session, accessKeyId) : undefined;
  }

  /** Makes the caller of the root or a user. @param by its credential */
  #ofPrincipal(
    id: string,
    by: Pick<UserCaller, 'accessKeyId' | 'accessKey' | 'temporary'>,
  ): RootCaller | UserCaller | undefined {
    const principal = this.credentials.identities.principal(id);
    if (!principal) return undefined;
    const { id: principalId, arn, record } = principal;
    const common = { principalId, arn, account: this.scope.account, ...by };
    if (record.type === 'Root') return { type: 'Root', ...common };
    // A role has no access key of its own.
    return record.type === 'User' ? { type: 'User', ...common, user: principal as User } : undefined;
  }

  #assumed(role: Role, session: Session, accessKeyId: string | undefined): AssumedRoleCaller {
    const { account } = this.scope;
    const arn = assumedRoleArn(account, role.record.roleName, session.name);
    return {
      type: 'AssumedRole',
      principalId: `${role.id}:${session.name}`,
      arn,
      account,
      accessKeyId,
      role,
      session,
    };
  }

  /** @throws IdentityError (unrecognized-credential) */
  #byCertificate(leaf: Buffer): Caller {
    const certificate = this.credentials.certificates?.identify(leaf) ?? {
      refused: 'there is no tls.mapping',
    };
    if ('refused' in certificate) throw unrecognized(certificate.refused);
    const user = this.credentials.identities.userByArn(certificate.principal);
    if (user) {
      const { id: principalId, arn } = user;
      return {
        type: 'User',
        principalId,
        arn,
        account: this.scope.account,
        accessKeyId: undefined,
        user,
        certificate,
      };
    }
    const role = this.credentials.identities.roleByArn(certificate.principal);
    if (!role) throw unrecognized(`tls.mapping names ${certificate.principal}, which does not exist`);
    const session: Session = {
      roleId: role.id,
      // The session name of IAM Roles Anywhere.
      name: certificate.serialNumber,
      issuedAt: Math.floor(Date.now() / 1000),
      expiresAt: Math.floor(certificate.notAfter / 1000),
      policies: [],
      tags: [],
      transitiveTagKeys: [],
    };
    return { ...this.#assumed(role, session, undefined), certificate };
  }
}

/** @throws IdentityError (unrecognized-credential) if signature and certificate belong to different principals */
function both(signed: Caller, certified: Caller | undefined): Caller {
  if (!certified) return signed;
  if (identityOf(signed)?.id !== identityOf(certified)?.id)
    throw unrecognized(`the certificate belongs to ${certified.arn}, the signature to ${signed.arn}`);
  return { ...signed, certificate: certified.certificate };
}

function unrecognized(reason: string): IdentityError {
  return new IdentityError(
    'unrecognized-credential',
    'The security token included in the request is invalid.',
    {
      cause: new Error(reason),
    },
  );
}

function expired(): IdentityError {
  return new IdentityError('expired-token', 'The security token included in the request is expired');
}
