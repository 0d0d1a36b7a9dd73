// The certificate by which linked Regions know this one. The peer compares it with the one that was pinned, so nothing in
// it is trusted but the key: no name, no date, no issuer.
// @peculiar/x509 needs this polyfill to be loaded first.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { LinkGeneration } from '../../hsm/link-messages.js';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
/** A link ends when it is deleted or rotated, not at a date, which a wrong clock would move. */
const [notBefore, notAfter] = [new Date('2000-01-01T00:00:00Z'), new Date('9999-12-31T23:59:59Z')];

/** A key pair of TLS with its certificate. */
export interface TlsIdentity {
  /** DER. */
  readonly certificate: Buffer;
  /** PKCS #8 in DER, which the caller wipes. */
  readonly key: Buffer;
}

/** Makes a key pair on P-256 and a certificate for it, signed by itself (RFC 5280, section 4.1.2.5 for a date without an end). */
export async function makeTlsIdentity({ link, generation }: LinkGeneration): Promise<TlsIdentity> {
  const { subtle } = webcrypto;
  const keys = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const { digitalSignature } = x509.KeyUsageFlags;
  const { clientAuth, serverAuth } = x509.ExtendedKeyUsage;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=Keyhold link ${link} ${generation}`,
      notBefore,
      notAfter,
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
      ],
    },
    webcrypto,
  );
  const key = Buffer.from(await subtle.exportKey('pkcs8', keys.privateKey));
  return { certificate: Buffer.from(certificate.rawData), key };
}
