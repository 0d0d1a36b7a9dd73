// The development CA and the server certificate of the TLS port.
// @peculiar/x509 needs the polyfill to be there before it.
import 'reflect-metadata';
import { existsSync, readFileSync } from 'node:fs';
import { webcrypto } from 'node:crypto';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { writeSecretFile } from './files.js';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const day = 24 * 60 * 60 * 1000;
const caLifetime = 3650 * day;
const serverLifetime = 397 * day;
/** A server certificate that ends sooner than this is made anew. */
const renewBefore = 30 * day;

/** Makes CA and server certificate where there is none, or where the certificate is about to end. */
export async function ensureCertificates(home: string): Promise<void> {
  const path = (name: string) => join(home, 'tls', name);
  x509.cryptoProvider.set(webcrypto);
  if (!existsSync(path('ca.key'))) await makeCa(path);
  if (existsSync(path('server.pem')) && existsSync(path('server.key'))) {
    const { notAfter } = new x509.X509Certificate(readFileSync(path('server.pem'), 'utf8'));
    if (notAfter.getTime() - Date.now() > renewBefore) return;
  }
  await makeServerCertificate(path);
}

async function makeCa(path: (name: string) => string): Promise<void> {
  const keys = await generateKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Keyhold development CA',
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + caLifetime),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  writeSecretFile(path('ca.pem'), `${ca.toString('pem')}\n`, 0o644);
  writeSecretFile(path('ca.key'), await privateKeyPem(keys.privateKey));
}

async function makeServerCertificate(path: (name: string) => string): Promise<void> {
  const ca = new x509.X509Certificate(readFileSync(path('ca.pem'), 'utf8'));
  const caKey = x509.PemConverter.decodeFirst(readFileSync(path('ca.key'), 'utf8'));
  const signingKey = await webcrypto.subtle.importKey('pkcs8', caKey, algorithm, false, ['sign']);
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=Keyhold',
    issuer: ca.subject,
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + serverLifetime),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
        { type: 'ip', value: '::1' },
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey),
    ],
  });
  writeSecretFile(path('server.key'), await privateKeyPem(keys.privateKey));
  writeSecretFile(path('server.pem'), `${certificate.toString('pem')}\n`, 0o644);
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}
