// Mutual TLS: maps a client's certificate to a principal. Only OpenSSL verifies the chain against the CAs and CRLs, when the
// connection is made; the identity comes from the client's own certificate alone. Mapping and expiry are checked again while
// connections are open, and connections are drained in time for OpenSSL to verify the chain again (transports/certified.ts).
import { createHash } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Certificate, id_ce_subjectAltName, SubjectAlternativeName } from '@peculiar/asn1-x509';
import { nameText } from './distinguished-name.js';

/** The configuration of client certificates. */
export interface CertificateTrust {
  /** Certificates of the CAs, DER. */
  readonly authorities: readonly Buffer[];
  /** CRLs of these CAs, DER. */
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
  /** ARN of the user or role that it is mapped to. */
  readonly principal: string;
  /** Lower-case hex. */
  readonly serialNumber: string;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
  /** Epoch milliseconds. */
  readonly notAfter: number;
  readonly names: CertificateNames;
}

/** The names of a certificate that can be mapped. */
interface CertificateNames {
  readonly uris: readonly string[];
  /** In the form of {@link nameText}. */
  readonly subject: string;
}

/** The mapping by name. */
interface Lookup {
  readonly uris: ReadonlyMap<string, string>;
  readonly subjects: ReadonlyMap<string, string>;
}

/** A parsed certificate, or the reason why it is refused. */
type Parsed = Omit<ClientCertificate, 'principal'> | { readonly refused: string };

/** Maps client certificates to principals. */
export class ClientCertificates {
  #lookup: Lookup;
  /** Certificates whose principal agrees with the present mapping. */
  #good = new WeakSet<ClientCertificate>();
  /** By the buffer that a connection keeps, so that its certificate is parsed only once. */
  readonly #parsed = new WeakMap<Buffer, Parsed>();

  constructor({ mapping }: CertificateTrust) {
    this.#lookup = prepare(mapping);
  }

  /** Replaces the mapping, also for open connections. */
  reload({ mapping }: CertificateTrust): void {
    this.#lookup = prepare(mapping);
    this.#good = new WeakSet();
  }

  /**
   * Finds the principal of a certificate that OpenSSL has verified.
   * @param leaf the certificate, DER
   * @returns the reason if it has none: it cannot be parsed, the mapping has no entry for it or entries with different
   *   principals, or it has another URI beside a SPIFFE ID (X509-SVID, section 2)
   */
  identify(leaf: Buffer): ClientCertificate | { readonly refused: string } {
    let parsed = this.#parsed.get(leaf);
    if (!parsed) {
      parsed = parse(leaf);
      this.#parsed.set(leaf, parsed);
    }
    if ('refused' in parsed) return parsed;
    const principals = this.#principals(parsed.names);
    const [principal] = principals;
    const shown = JSON.stringify(parsed.names);
    if (principal === undefined) return { refused: `tls.mapping names no principal for ${shown}` };
    if (principals.size > 1) return { refused: `tls.mapping names several principals for ${shown}` };
    return { ...parsed, principal };
  }

  /** Whether a certificate is still valid. Called for every request. */
  isCurrent(certificate: ClientCertificate): boolean {
    if (Date.now() > certificate.notAfter) return false;
    if (this.#good.has(certificate)) return true;
    if (!this.#isMapped(certificate)) return false;
    this.#good.add(certificate);
    return true;
  }

  /** Returns the principals that the mapping has for a certificate. */
  #principals({ uris, subject }: CertificateNames): ReadonlySet<string> {
    const named = [...uris.map((uri) => this.#lookup.uris.get(uri)), this.#lookup.subjects.get(subject)];
    return new Set(named.filter((principal) => principal !== undefined));
  }

  /** Whether the mapping still has the same principal. */
  #isMapped({ names, principal }: ClientCertificate): boolean {
    const principals = this.#principals(names);
    return principals.size === 1 && principals.has(principal);
  }
}

function prepare(mapping: CertificateTrust['mapping']): Lookup {
  const uris = new Map<string, string>();
  const subjects = new Map<string, string>();
  for (const { uri, subject, principal } of mapping) {
    if (uri !== undefined) uris.set(uri, principal);
    if (subject !== undefined) subjects.set(subject, principal);
  }
  return { uris, subjects };
}

function parse(leaf: Buffer): Parsed {
  try {
    const { tbsCertificate } = AsnConvert.parse(leaf, Certificate);
    const names = {
      uris: certificateUris(tbsCertificate.extensions ?? []),
      subject: nameText(tbsCertificate.subject),
    };
    if (names.uris.length > 1 && names.uris.some((uri) => /^spiffe:/i.test(uri)))
      return { refused: `it has other URIs beside its SPIFFE ID: ${JSON.stringify(names)}` };
    return {
      serialNumber: Buffer.from(tbsCertificate.serialNumber).toString('hex'),
      fingerprint: createHash('sha256').update(leaf).digest('hex'),
      notAfter: tbsCertificate.validity.notAfter.getTime().getTime(),
      names,
    };
  } catch (error) {
    return { refused: `the certificate cannot be read: ${error instanceof Error ? error.message : ''}` };
  }
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
