import { timingSafeEqual } from 'node:crypto';
import { exceptions } from '../../proto/errors.js';
import type { AccessKeys, ActiveAccessKey } from './access-keys.js';
import { Replays } from './replays.js';
import {
  canonicalRequest,
  headerValue,
  parseAuthorization,
  sign,
  type SignedRequest,
  stringToSign,
} from './sigv4.js';

/** How far a client's clock may be off, in milliseconds; AWS's five minutes. */
const maxSkew = 5 * 60 * 1000;

/** Who is calling, as it was authenticated. */
export interface Caller {
  readonly type: 'Root';
  readonly principalId: string;
  /** `arn:aws:iam::<account>:root` */
  readonly arn: string;
  readonly account: string;
  readonly accessKey: ActiveAccessKey;
}

export interface Scope {
  readonly account: string;
  readonly region: string;
}

/** Authentication by AWS Signature Version 4. */
export class Authenticator {
  readonly #replays = new Replays(2 * maxSkew);
  /** Requests signed before this second may have been accepted by a daemon that ran before this one. */
  readonly #notBefore: number;

  /** @param startedAt epoch milliseconds at which this daemon had taken hold of the store */
  constructor(
    private readonly accessKeys: AccessKeys,
    private readonly scope: Scope,
    startedAt: number,
  ) {
    this.#notBefore = Math.ceil(startedAt / 1000) * 1000;
  }

  /** Epoch milliseconds from which on a client with a right clock can connect. */
  get notBefore(): number {
    return this.#notBefore;
  }

  /**
   * Authenticates a WebSocket upgrade, each signature once. The random Sec-WebSocket-Key must be among the signed
   * headers, else one signature would open any number of connections.
   * @throws IncompleteSignatureException, MissingAuthenticationTokenException, InvalidSignatureException for a time
   *   that is off or a replay; UnrecognizedClientException for everything that depends on the access key
   */
  async authenticateUpgrade(request: SignedRequest): Promise<Caller> {
    const authorization = parseAuthorization(headerValue(request.rawHeaders, 'authorization') || undefined);
    const { accessKeyId, date, region, service, signedHeaders, signature } = authorization;
    for (const name of ['host', 'x-amz-date', 'sec-websocket-key']) {
      if (signedHeaders.includes(name)) continue;
      throw new exceptions.IncompleteSignatureException(
        `The header '${name}' must be among the signed headers.`,
      );
    }
    const time = headerValue(request.rawHeaders, 'x-amz-date');
    const now = Date.now();
    this.#checkTime(time, date, now);
    if (region !== this.scope.region || service !== 'kms') {
      const expected = `Credential should be scoped to the Region '${this.scope.region}' and the service 'kms'.`;
      throw new exceptions.InvalidSignatureException(expected);
    }
    const accessKey = this.accessKeys.find(accessKeyId);
    const key = await this.accessKeys.signingKey(accessKey, date, region, service);
    const canonical = canonicalRequest(request, signedHeaders);
    const expected = sign(key, stringToSign(time, authorization, canonical));
    key.fill(0);
    const given = Buffer.from(signature, 'hex');
    const valid = given.length === expected.length && timingSafeEqual(given, expected);
    if (!valid || !accessKey) {
      throw new exceptions.UnrecognizedClientException(
        'The security token included in the request is invalid.',
      );
    }
    this.#replays.claim(signature, now);
    return this.#caller(accessKey);
  }

  /** Whether the caller's credential still counts; asked for every request. */
  isCurrent(caller: Caller): boolean {
    return this.accessKeys.isCurrent(caller.accessKey);
  }

  #checkTime(time: string, date: string, now: number): void {
    const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(time);
    const signedAt = parts
      ? Date.UTC(+parts[1]!, +parts[2]! - 1, +parts[3]!, +parts[4]!, +parts[5]!, +parts[6]!)
      : NaN;
    if (Number.isNaN(signedAt) || !time.startsWith(date)) {
      throw new exceptions.IncompleteSignatureException(
        "'X-Amz-Date' must be YYYYMMDDTHHMMSSZ and of the day in Credential.",
      );
    }
    const serverTime = `${new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')}`;
    if (Math.abs(signedAt - now) > maxSkew) {
      const off = signedAt < now ? 'expired' : 'not yet current';
      throw new exceptions.InvalidSignatureException(
        `Signature ${off}: it was made at ${time}, and the server's time is ${serverTime}. Set the clock.`,
      );
    }
    if (signedAt < this.#notBefore) {
      throw new exceptions.InvalidSignatureException(
        `Signature expired: it was made at ${time}, before this daemon started. Sign the connection anew.`,
      );
    }
  }

  #caller(accessKey: ActiveAccessKey): Caller {
    const { account } = this.scope;
    const arn = `arn:aws:iam::${account}:root`;
    return { type: 'Root', principalId: accessKey.principalId, arn, account, accessKey };
  }
}
