// Valid and invalid certificate chains, made in memory.
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const day = 86_400_000;
x509.cryptoProvider.set(webcrypto);

/** A signer of certificates: a name, a key pair and its own certificate. */
export interface Signer {
  readonly name: string;
  readonly keys: webcrypto.CryptoKeyPair;
  readonly certificate: x509.X509Certificate;
}

export interface CertificateOptions {
  readonly from?: number;
  readonly to?: number;
  readonly extensions?: x509.Extension[];
  /** An existing key pair, for a cross-signed certificate. */
  readonly keys?: webcrypto.CryptoKeyPair;
}

export function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

/** Makes an authority. @param signer undefined: self-signed */
export async function makeAuthority(
  name: string,
  signer: Omit<Signer, 'certificate'> | undefined,
  options: CertificateOptions = {},
): Promise<Signer> {
  const extensions = options.extensions ?? [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
  ];
  return issue(name, signer, { ...options, extensions });
}

/** Issues a client certificate, for `spiffe://example.org/alice` unless extensions are given. */
export async function issue(
  name: string,
  signer: Omit<Signer, 'certificate'> | undefined,
  { from = -day, to = day, extensions, keys }: CertificateOptions = {},
): Promise<Signer> {
  const own = keys ?? (await newKeys());
  const { name: issuer, keys: issuerKeys } = signer ?? { name, keys: own };
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomBytes(8).toString('hex').replace(/^./, '1'),
    subject: `CN=${name}`,
    issuer: `CN=${issuer}`,
    notBefore: new Date(Date.now() + from),
    notAfter: new Date(Date.now() + to),
    signingAlgorithm: algorithm,
    publicKey: own.publicKey,
    signingKey: issuerKeys.privateKey,
    extensions: extensions ?? [clientAuth, alternativeNames('spiffe://example.org/alice')],
  });
  return { name, keys: own, certificate };
}

export const clientAuth = new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]);

export function alternativeNames(...uris: string[]): x509.Extension {
  return new x509.SubjectAlternativeNameExtension(uris.map((value) => ({ type: 'url', value })));
}

/** The key and chain that a client sends: its own certificate, then the others. */
export async function presented({ keys, certificate }: Signer, ...others: readonly Signer[]) {
  const key = x509.PemConverter.encode(
    await webcrypto.subtle.exportKey('pkcs8', keys.privateKey),
    'PRIVATE KEY',
  );
  const chain = [certificate, ...others.map((other) => other.certificate)];
  const pem = chain.map((one) => `${one.toString('pem')}\n`).join('');
  return { certificate: Buffer.from(pem), certificateKey: Buffer.from(key) };
}

/** A revocation list as PEM. */
export async function revocationList(signer: Signer, ...revoked: readonly Signer[]): Promise<string> {
  const list = await x509.X509CrlGenerator.create({
    issuer: `CN=${signer.name}`,
    thisUpdate: new Date(Date.now() - 60_000),
    nextUpdate: new Date(Date.now() + 2 * day),
    signingAlgorithm: algorithm,
    signingKey: signer.keys.privateKey,
    entries: revoked.map(({ certificate: { serialNumber } }) => ({
      serialNumber,
      revocationDate: new Date(Date.now() - 60_000),
    })),
  });
  return `${x509.PemConverter.encode(list.rawData, 'X509 CRL')}\n`;
}
