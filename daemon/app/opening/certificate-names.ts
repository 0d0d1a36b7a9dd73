// The names and addresses by which clients reach the TLS port.
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { Config } from '../../config/schema.js';

/** Whether an address means every address of the machine. */
const isWildcard = (host: string) => host === '0.0.0.0' || host === '::';

/** The names and addresses in a certificate of Keyhold's own CA, besides the loopback ones. */
export function certificateNames({ listen, tls }: Config): readonly string[] {
  return isWildcard(listen.host) ? tls.names : [...tls.names, listen.host];
}

/** The host in URLs for clients: the first configured name, else the address. */
export function clientHost({ listen, tls }: Config): string {
  return tls.names[0] ?? (isWildcard(listen.host) ? 'localhost' : listen.host);
}

/** Whether a certificate is for a DNS name or an IP address. */
export function isNameOf(certificate: X509Certificate, name: string): boolean {
  return (isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined;
}
