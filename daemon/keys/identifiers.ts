import { KeyError } from './errors.js';

/** A parsed key identifier of a request. */
export type KeyIdentifier =
  { readonly kind: 'key'; readonly keyId: string } | { readonly kind: 'alias'; readonly aliasName: string };

const keyIdPattern = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/;
const arnPattern = /^arn:([^:]*):kms:([^:]*):([^:]*):(key|alias)\/(.+)$/;
const partition = 'aws';

/** The account and Region whose ARNs this daemon serves. */
export class Namer {
  constructor(
    readonly account: string,
    readonly region: string,
  ) {}

  keyArn(keyId: string): string {
    return `arn:aws:kms:${this.region}:${this.account}:key/${keyId}`;
  }

  /** @param aliasName with its `alias/` */
  aliasArn(aliasName: string): string {
    return `arn:aws:kms:${this.region}:${this.account}:${aliasName}`;
  }

  /**
   * Reads a key id, key ARN, alias name or alias ARN.
   * @throws KeyError (not-found) for an ARN of another partition, Region or account, and for what is none of the four;
   *   KeyError (invalid-arn) for an ARN of something else
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

  /** @throws KeyError (not-found) in AWS's words: `Invalid arn us-west-2` for a key of that Region */
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
