// Checks the attributes of every key in a token: what can be read, who can wrap it, and whether the keys of links are what a
// ceremony makes.
import pkcs11, { type Handle } from 'pkcs11js';
import { linkObjectId, parseLinkLabel } from '../link-objects.js';
import { toHsmError } from '../pkcs11/return-values.js';
import { attributeLength } from './nested-template.js';
import { type AskPin, type CeremonyToken, OfficerSession } from './officer-session.js';

/** A key of the token and what is wrong with it. */
export interface AuditedKey {
  /** CKO number. */
  readonly class: number;
  readonly id: Buffer;
  readonly label: string;
  /** Sentences without a subject, such as "can be read"; empty if nothing is wrong. */
  readonly faults: readonly string[];
}

const keyClasses = [pkcs11.CKO_SECRET_KEY, pkcs11.CKO_PRIVATE_KEY, pkcs11.CKO_PUBLIC_KEY];
const usages = {
  encrypt: pkcs11.CKA_ENCRYPT,
  decrypt: pkcs11.CKA_DECRYPT,
  sign: pkcs11.CKA_SIGN,
  verify: pkcs11.CKA_VERIFY,
  wrap: pkcs11.CKA_WRAP,
  unwrap: pkcs11.CKA_UNWRAP,
  derive: pkcs11.CKA_DERIVE,
} as const;
type Usage = keyof typeof usages;

/** What a key of a link may be used for: the secret key, or the private one of a pair, and the public one. */
const allowed: Readonly<Record<string, readonly Usage[]>> = {
  [`send ${pkcs11.CKO_SECRET_KEY}`]: ['wrap'],
  [`receive ${pkcs11.CKO_SECRET_KEY}`]: ['unwrap'],
  [`signing ${pkcs11.CKO_PRIVATE_KEY}`]: ['sign'],
  [`signing ${pkcs11.CKO_PUBLIC_KEY}`]: ['verify'],
};

/** Reads attributes of one object. */
class Attributes {
  constructor(
    private readonly opened: OfficerSession,
    private readonly handle: Handle,
  ) {}

  /** @returns undefined if the object does not have the attribute */
  read(type: number): Buffer | undefined {
    const { module, session } = this.opened;
    try {
      return module.C_GetAttributeValue(session, this.handle, [{ type }])[0]?.value;
    } catch {
      return undefined;
    }
  }

  /** @returns bytes; 0 if the object does not have the attribute */
  lengthOf(type: number): number {
    return attributeLength(this.opened.library, this.opened.session, this.handle, type);
  }

  is(type: number): boolean {
    return this.read(type)?.[0] === 1;
  }
}

/** Audits all keys of a token that its user sees. @throws HsmError */
export async function auditKeys(settings: CeremonyToken, user: AskPin): Promise<readonly AuditedKey[]> {
  const opened = OfficerSession.open(settings);
  try {
    return await opened.as('user', user, () =>
      opened.find([{ type: pkcs11.CKA_TOKEN, value: true }]).flatMap((handle) => audit(opened, handle)),
    );
  } catch (error) {
    throw toHsmError(error);
  } finally {
    opened.close();
  }
}

function audit(opened: OfficerSession, handle: Handle): AuditedKey[] {
  const attributes = new Attributes(opened, handle);
  const objectClass = attributes.read(pkcs11.CKA_CLASS)?.readUInt32LE(0) ?? -1;
  if (!keyClasses.includes(objectClass)) return [];
  const id = attributes.read(pkcs11.CKA_ID) ?? Buffer.alloc(0);
  const label = attributes.read(pkcs11.CKA_LABEL)?.toString() ?? '';
  const isSecret = objectClass !== pkcs11.CKO_PUBLIC_KEY;
  const faults = [
    ...(isSecret ? faultsOfSecret(attributes) : []),
    ...faultsOfLink(attributes, { objectClass, id, label }),
  ];
  return [{ class: objectClass, id, label, faults }];
}

function faultsOfSecret(attributes: Attributes): string[] {
  const isExtractable = attributes.is(pkcs11.CKA_EXTRACTABLE);
  return [
    ...(attributes.is(pkcs11.CKA_SENSITIVE) ? [] : ['can be read']),
    ...(attributes.is(pkcs11.CKA_PRIVATE) ? [] : ['can be used without the PIN']),
    ...(isExtractable && !attributes.is(pkcs11.CKA_WRAP_WITH_TRUSTED)
      ? ['can be wrapped by anybody who has the PIN']
      : []),
  ];
}

function faultsOfLink(
  attributes: Attributes,
  { objectClass, id, label }: { readonly objectClass: number; readonly id: Buffer; readonly label: string },
): string[] {
  const link = parseLinkLabel(label);
  const isTrusted = attributes.is(pkcs11.CKA_TRUSTED);
  if (link === undefined) return isTrusted ? ['is trusted, but not by a link'] : [];
  const may = allowed[`${link.role} ${objectClass}`];
  if (may === undefined) return [`is no key that a link has as '${link.role}'`];
  const isTransport = link.role !== 'signing';
  const does = (Object.keys(usages) as Usage[]).filter((usage) => attributes.is(usages[usage]));
  return [
    ...(id.equals(linkObjectId(link, link.role)) ? [] : ['has the CKA_ID of another key']),
    ...does.filter((usage) => !may.includes(usage)).map((usage) => `may ${usage}`),
    ...may.filter((usage) => !does.includes(usage)).map((usage) => `may not ${usage}`),
    ...(isTrusted === (link.role === 'send') ? [] : [isTrusted ? 'is trusted' : 'is not trusted']),
    ...(objectClass !== pkcs11.CKO_PUBLIC_KEY && attributes.is(pkcs11.CKA_EXTRACTABLE)
      ? ['is extractable']
      : []),
    ...(isTransport && attributes.is(pkcs11.CKA_MODIFIABLE) ? ['can be changed'] : []),
    ...(link.role === 'receive' && attributes.lengthOf(pkcs11.CKA_UNWRAP_TEMPLATE) === 0
      ? ['has no CKA_UNWRAP_TEMPLATE']
      : []),
  ];
}
