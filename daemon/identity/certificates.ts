// Mutual TLS: from a client's certificate to the principal that it stands for. Node's TLS verifies the chain against
// the CA bundle and the CRLs when the connection is made; here it is checked whether that still holds, since bundle,
// CRLs, mapping and the time change while connections are open.
import { createHash } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import {
  Certificate,
  CertificateList,
  id_ce_subjectAltName,
  type Name,
  SubjectAlternativeName,
} from '@peculiar/asn1-x509';
import { nameText } from './distinguished-name.js';

/** What the configuration says about client certificates. */
export interface CertificateTrust {
  /** Certificates of the CAs, DER. */
  readonly authorities: readonly Buffer[];
  /** DER. */
  readonly revocationLists: readonly Buffer[];
  /** Exactly one of `uri` and `subject` each. */
  readonly mapping: readonly {
    readonly uri?: string | undefined;
    readonly subject?: string | undefined;
    /** ARN of a user or role. */
    readonly principal: string;
  }[];
}

/** A certificate that a connection was authenticated with. */
export interface ClientCertificate {
  /** ARN of the user or role that it stands for. */
  readonly principal: string;
  /** Lower-case hex. */
  readonly serialNumber: string;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
  /** Epoch milliseconds until which every certificate of the chain is valid. */
  readonly notAfter: number;
  readonly names: CertificateNames;
  readonly chain: readonly ChainLink[];
}

/** What of a certificate can be mapped. */
interface CertificateNames {
  readonly uris: readonly string[];
  /** As nameText writes it. */
  readonly subject: string;
}

interface ChainLink {
  readonly fingerprint: string;
  /** Issuer and serial number, as CRLs name certificates. */
  readonly name: string;
}

/** The trust as it is looked up. */
interface Lookup {
  readonly authorities: ReadonlySet<string>;
  readonly revoked: ReadonlySet<string>;
  readonly uris: ReadonlyMap<string, string>;
  readonly subjects: ReadonlyMap<string, string>;
}

export class ClientCertificates {
  #lookup: Lookup;
  /** Certificates that were found good under the present trust. */
  #good = new WeakSet<ClientCertificate>();

  /** @throws Error where a certificate or CRL cannot be read */
  constructor(trust: CertificateTrust) {
    this.#lookup = prepare(trust);
  }

  /** Takes another trust, also for the connections that are open. @throws Error; then the present one stays */
  reload(trust: CertificateTrust): void {
    this.#lookup = prepare(trust);
    this.#good = new WeakSet();
  }

  /**
   * The principal of a chain that TLS has verified.
   * @param chain DER, the client's certificate first, an authority of the bundle last
   * @returns the reason in words where it stands for none: it cannot be read, no entry of the mapping names it, several do
   *   that differ, or it has another URI beside a SPIFFE id (X509-SVID, section 2)
   */
  identify(chain: readonly Buffer[]): ClientCertificate | { readonly refused: string } {
    try {
      return this.#identify(chain.map((der) => ({ der, parsed: AsnConvert.parse(der, Certificate) })));
    } catch (error) {
      return { refused: `the certificate cannot be read: ${error instanceof Error ? error.message : ''}` };
    }
  }

  #identify(
    certificates: readonly { readonly der: Buffer; readonly parsed: Certificate }[],
  ): ClientCertificate | { readonly refused: string } {
    const { tbsCertificate } = certificates[0]!.parsed;
    const names = {
      uris: certificateUris(tbsCertificate.extensions ?? []),
      subject: nameText(tbsCertificate.subject),
    };
    if (names.uris.length > 1 && names.uris.some((uri) => /^spiffe:/i.test(uri)))
      return { refused: `it has more URIs than its SPIFFE id: ${JSON.stringify(names)}` };
    const principals = this.#principals(names);
    const [principal] = principals;
    const shown = JSON.stringify(names);
    if (principal === undefined) return { refused: `tls.mapping names no principal for ${shown}` };
    if (principals.size > 1) return { refused: `tls.mapping names several principals for ${shown}` };
    const certificate: ClientCertificate = {
      principal,
      serialNumber: hex(tbsCertificate.serialNumber),
      fingerprint: fingerprint(certificates[0]!.der),
      notAfter: Math.min(
        ...certificates.map(({ parsed }) => timeOf(parsed.tbsCertificate.validity.notAfter)),
      ),
      names,
      chain: certificates.map(({ der, parsed: { tbsCertificate: tbs } }) => ({
        fingerprint: fingerprint(der),
        name: revocationName(tbs.issuer, tbs.serialNumber),
      })),
    };
    if (!this.#isTrusted(certificate)) return { refused: `the certificate ${shown} is revoked` };
    return certificate;
  }

  /** Whether a certificate still counts; asked for every request. */
  isCurrent(certificate: ClientCertificate): boolean {
    if (Date.now() > certificate.notAfter) return false;
    if (this.#good.has(certificate)) return true;
    if (!this.#isTrusted(certificate) || !this.#isMapped(certificate)) return false;
    this.#good.add(certificate);
    return true;
  }

  #isTrusted({ chain }: ClientCertificate): boolean {
    const { authorities, revoked } = this.#lookup;
    return (
      chain.some((link) => authorities.has(link.fingerprint)) && !chain.some((link) => revoked.has(link.name))
    );
  }

  /** The principals that the mapping names for a certificate. */
  #principals({ uris, subject }: CertificateNames): ReadonlySet<string> {
    const named = [...uris.map((uri) => this.#lookup.uris.get(uri)), this.#lookup.subjects.get(subject)];
    return new Set(named.filter((principal) => principal !== undefined));
  }

  /** Whether the mapping still says the same. */
  #isMapped({ names, principal }: ClientCertificate): boolean {
    const principals = this.#principals(names);
    return principals.size === 1 && principals.has(principal);
  }
}

function prepare({ authorities, revocationLists, mapping }: CertificateTrust): Lookup {
  const revoked = new Set<string>();
  for (const der of revocationLists) {
    const { tbsCertList } = AsnConvert.parse(der, CertificateList);
    for (const { userCertificate } of tbsCertList.revokedCertificates ?? [])
      revoked.add(revocationName(tbsCertList.issuer, userCertificate));
  }
  const uris = new Map<string, string>();
  const subjects = new Map<string, string>();
  for (const { uri, subject, principal } of mapping) {
    if (uri !== undefined) uris.set(uri, principal);
    if (subject !== undefined) subjects.set(subject, principal);
  }
  return { authorities: new Set(authorities.map(fingerprint)), revoked, uris, subjects };
}

/** The URIs of the subject alternative name, RFC 5280 section 4.2.1.6; SPIFFE ids are such. */
function certificateUris(
  extensions: readonly { extnID: string; extnValue: { buffer: ArrayBuffer } }[],
): string[] {
  const [extension, another] = extensions.filter(({ extnID }) => extnID === id_ce_subjectAltName);
  if (!extension) return [];
  if (another) throw new Error('it has two subject alternative names (RFC 5280, section 4.2)');
  const names = AsnConvert.parse(extension.extnValue.buffer, SubjectAlternativeName);
  return [...names].flatMap(({ uniformResourceIdentifier: uri }) => (uri === undefined ? [] : [uri]));
}

function revocationName(issuer: Name, serialNumber: ArrayBuffer): string {
  return `${hex(AsnConvert.serialize(issuer))}/${hex(serialNumber)}`;
}

function timeOf(time: { getTime(): Date }): number {
  return time.getTime().getTime();
}

function fingerprint(der: Buffer): string {
  return createHash('sha256').update(der).digest('hex');
}

function hex(bytes: ArrayBuffer): string {
  return Buffer.from(bytes).toString('hex');
}
