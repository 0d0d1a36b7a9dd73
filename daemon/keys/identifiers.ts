import { exceptions } from '../../proto/errors.js';

/** What names a key in a request. */
export type KeyIdentifier =
  { readonly kind: 'key'; readonly keyId: string } | { readonly kind: 'alias'; readonly aliasName: string };

const keyIdPattern = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/;
const arnPattern = /^arn:aws:kms:([^:]*):([^:]*):(key|alias)\/(.+)$/;

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
   * @throws NotFoundException for an ARN of another account or Region, and for what is none of the four
   */
  parse(identifier: string): KeyIdentifier {
    if (keyIdPattern.test(identifier)) return { kind: 'key', keyId: identifier };
    if (identifier.startsWith('alias/')) return { kind: 'alias', aliasName: identifier };
    const arn = arnPattern.exec(identifier);
    if (arn?.[1] === this.region && arn[2] === this.account) {
      const rest = arn[4] ?? '';
      return arn[3] === 'key' ? { kind: 'key', keyId: rest } : { kind: 'alias', aliasName: `alias/${rest}` };
    }
    if (identifier.startsWith('arn:') && !arn)
      throw new exceptions.InvalidArnException(`Invalid arn ${identifier}`);
    if (arn) throw new exceptions.NotFoundException(`Key '${identifier}' does not exist`);
    throw new exceptions.NotFoundException(`Invalid keyId '${identifier}'`);
  }
}
