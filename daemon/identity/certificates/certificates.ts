// Mutual TLS: from a client's certificate to the principal that it stands for. OpenSSL verifies the chain against the
// authorities and the CRLs when the connection is made, and its verdict is the only one: who the client is comes from its own
// certificate alone. Mapping and expiry are checked again while connections are open; connections are drained in time for
// OpenSSL to look at the chain again (transports/certified.ts).
import { createHash } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { Certificate, id_ce_subjectAltName, SubjectAlternativeName } from '@peculiar/asn1-x509';
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
  /** Epoch milliseconds. */
  readonly notAfter: number;
  readonly names: CertificateNames;
}

/** What of a certificate can be mapped. */
interface CertificateNames {
  readonly uris: readonly string[];
  /** As nameText writes it. */
  readonly subject: string;
}

/** The mapping as it is looked up. */
interface Lookup {
  readonly uris: ReadonlyMap<string, string>;
  readonly subjects: ReadonlyMap<string, string>;
}

/** A certificate as it was read, or why it cannot be. */
type Parsed = Omit<ClientCertificate, 'principal'> | { readonly refused: string };

export class ClientCertificates {
  #lookup: Lookup;
  /** Certificates that are mapped as the present mapping says. */
  #good = new WeakSet<ClientCertificate>();
  /** By the buffer that a connection keeps: its certificate is read once. */
  readonly #parsed = new WeakMap<Buffer, Parsed>();

  constructor({ mapping }: CertificateTrust) {
    this.#lookup = prepare(mapping);
  }

  /** Takes another mapping, also for the connections that are open. */
  reload({ mapping }: CertificateTrust): void {
    this.#lookup = prepare(mapping);
    this.#good = new WeakSet();
  }

  /**
   * The principal of a certificate that OpenSSL has verified.
   * @param leaf DER
   * @returns the reason in words where it stands for none: it cannot be read, no entry of the mapping names it, several do
   *   that differ, or it has another URI beside a SPIFFE id (X509-SVID, section 2)
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

  /** Whether a certificate still counts; asked for every request. */
  isCurrent(certificate: ClientCertificate): boolean {
    if (Date.now() > certificate.notAfter) return false;
    if (this.#good.has(certificate)) return true;
    if (!this.#isMapped(certificate)) return false;
    this.#good.add(certificate);
    return true;
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
      return { refused: `it has more URIs than its SPIFFE id: ${JSON.stringify(names)}` };
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
