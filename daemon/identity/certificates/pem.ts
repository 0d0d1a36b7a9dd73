/**
 * Encodes PEM (RFC 7468, section 2): lines of 64 characters, without an empty last line, which OpenSSL would treat as the end
 * of a header.
 * @param label such as `CERTIFICATE` or `X509 CRL`
 */
export function toPem(der: Buffer, label: string): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
