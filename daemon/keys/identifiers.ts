import { KeyError } from './errors.js';

/** A parsed key identifier of a request. */
export type KeyIdentifier =
  { readonly kind: 'key'; readonly keyId: string } | { readonly kind: 'alias'; readonly aliasName: string };

const keyIdPattern = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/;
const arnPattern = /^arn:([^:]*):kms:([^:]*):([^:]*):(key|alias)\/(.+)$/;
const partition = 'aws';

/** Builds and parses ARNs of one account and Region. */
export class Namer {
  /** @param account 12 digits */
  constructor(
    readonly account: string,
    readonly region: string,
  ) {}

  /** Returns the ARN of a key. */
  keyArn(keyId: string): string {
    return `arn:aws:kms:${this.region}:${this.account}:key/${keyId}`;
  }

  /** Returns the ARN of an alias. @param aliasName with the prefix `alias/` */
  aliasArn(aliasName: string): string {
    return `arn:aws:kms:${this.region}:${this.account}:${aliasName}`;
  }

  /**
   * Parses a key id, key ARN, alias name or alias ARN.
   * @throws KeyError (not-found) for an ARN of another partition, Region or account, and for any other text;
   *   KeyError (invalid-arn) for any other ARN
   */
  parse(identifier: string): KeyIdentifier {
    if (keyIdPattern.test(identifier)) return { kind: 'key', keyId: identifier };
    if (identifier.startsWith('alias/')) return { kind: 'alias', aliasName: identifier };
    if (!identifier.startsWith('arn:')) throw new KeyError('not-found', `Invalid keyId '${identifier}'`);
    const arn = arnPattern.exec(identifier);
    if (!arn) throw new KeyError('invalid-arn', `Invalid arn ${identifier}`);
    const [, ofPartition, region, account, kind, name] = arn as unknown as [string, ...string[]];
    this.#checkScope(identifier, {
      ofPartition: ofPartition!,
      region: region!,
      account: account!,
      kind: kind!,
    });
    return kind === 'key' ? { kind, keyId: name! } : { kind: 'alias', aliasName: `alias/${name}` };
  }

  /** @throws KeyError (not-found) with AWS's messages, such as `Invalid arn us-west-2` for a key of that Region */
  #checkScope(
    arn: string,
    {
      ofPartition,
      region,
      account,
      kind,
    }: Readonly<Record<'ofPartition' | 'region' | 'account' | 'kind', string>>,
  ): void {
    if (ofPartition !== partition) throw new KeyError('not-found', `Invalid arn ${ofPartition}`);
    if (region !== this.region) throw new KeyError('not-found', `Invalid arn ${region}`);
    if (account === this.account) return;
    const absent = kind === 'key' ? `Key '${arn}' does not exist.` : `Alias ${arn} is not found.`;
    throw new KeyError('not-found', `${absent} The account of this Keyhold is ${this.account}.`);
  }
}
