// Warnings about certificates and revocation lists that expire soon, for health and log.
import { X509Certificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import { CertificateList } from '@peculiar/asn1-x509';
import type { SinkSettings } from '../audit/sinks/kinds.js';
import { pemBlocks, type TlsFiles } from './tls-files.js';

/** Days before the expiry of a certificate at which warnings begin. */
const warningDays = 30;
/** The same for revocation lists, which are valid only for days. */
const crlWarningDays = 1;
const day = 86_400_000;

/** The expiry of a file that the configuration names. */
export interface Expiry {
  /** The setting, such as `tls.certificate`. */
  readonly setting: string;
  /** Epoch milliseconds. */
  readonly notAfter: number;
  readonly warningDays: number;
}

/** The expiries of the files that a configuration names. A file with several certificates expires with the first of them. */
export function expiriesOf(tls: TlsFiles, sinks: ReadonlyMap<string, SinkSettings>): Expiry[] {
  const authorities = tls.clientTrust?.authorities ?? [];
  const found = [
    ofCertificates('tls.certificate', derOf(tls.certificate)),
    ofCertificates('tls.clientCa', authorities),
    ofLists('tls.crl', tls.clientTrust?.revocationLists ?? []),
    ...[...sinks].map(([name, { certificate }]) =>
      ofCertificates(`audit.sinks.${name}.certificate`, certificate === undefined ? [] : derOf(certificate)),
    ),
  ];
  return found.filter((expiry) => expiry !== undefined);
}

/** The warnings for health report and log. @param now epoch milliseconds */
export function expiryWarnings(expiries: readonly Expiry[], now: number): string[] {
  return expiries
    .filter(({ notAfter, warningDays }) => notAfter - now < warningDays * day)
    .map(({ setting, notAfter }) => {
      const date = new Date(notAfter).toISOString().slice(0, 16);
      return notAfter < now
        ? `'${setting}' expired at ${date}Z: replace it, and reload the configuration (SIGHUP)`
        : `'${setting}' expires at ${date}Z, in ${Math.floor((notAfter - now) / day)} days: replace it, and reload the configuration (SIGHUP)`;
    });
}

function ofCertificates(setting: string, certificates: readonly Buffer[]): Expiry | undefined {
  const ends = certificates.map((der) => Date.parse(new X509Certificate(der).validTo));
  return ends.length === 0 ? undefined : { setting, notAfter: Math.min(...ends), warningDays };
}

function ofLists(setting: string, lists: readonly Buffer[]): Expiry | undefined {
  const ends = lists
    .map((der) => AsnConvert.parse(der, CertificateList).tbsCertList.nextUpdate?.getTime().getTime())
    .filter((end) => end !== undefined);
  return ends.length === 0
    ? undefined
    : { setting, notAfter: Math.min(...ends), warningDays: crlWarningDays };
}

function derOf(pem: Buffer): Buffer[] {
  return pemBlocks(pem, 'CERTIFICATE', 'a certificate');
}

/** Warns once a day in the log, and at any time in the health report, about what expires soon. */
export class ExpiryWatch {
  #expiries: readonly Expiry[] = [];

  /** @param log called with each warning */
  constructor(
    expiries: readonly Expiry[],
    private readonly log: (warning: string) => void,
  ) {
    this.watch(expiries);
    setInterval(() => this.#say(), day).unref();
  }

  /** Watches other files from now on. */
  watch(expiries: readonly Expiry[]): void {
    this.#expiries = expiries;
    this.#say();
  }

  /** The expiries of the files in use. */
  get expiries(): readonly Expiry[] {
    return this.#expiries;
  }

  /** For the health report. */
  get warnings(): string[] {
    return expiryWarnings(this.#expiries, Date.now());
  }

  #say(): void {
    for (const warning of this.warnings) this.log(warning);
  }
}
