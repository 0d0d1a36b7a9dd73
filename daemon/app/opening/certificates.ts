// The development CA and the server certificate of the TLS port.
// @peculiar/x509 needs this polyfill to be loaded first.
import 'reflect-metadata';
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { createPublicKey, type webcrypto, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { crypto } from '../../../client/crypto.js';
import { replaceFileSync } from '../../files/replace-file.js';
import { homePaths } from '../../files/home.js';
import { isNameOf } from './certificate-names.js';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const day = 24 * 60 * 60 * 1000;
const caLifetime = 3650 * day;
const serverLifetime = 397 * day;
/** Milliseconds before its expiry at which a server certificate is renewed. */
const renewBefore = 30 * day;

/**
 * Makes the CA and the server certificate if they are missing, and renews a server certificate of this CA that expires
 * soon or lacks a name. Files of another CA, and a CA whose key was removed, are left alone.
 * @param names DNS names and addresses that the certificate must have, besides localhost and the loopback addresses
 * @returns whether a server certificate was made
 */
export async function ensureCertificates(home: string, names: readonly string[]): Promise<boolean> {
  const path = (name: string) => join(homePaths(home).tls, name);
  x509.cryptoProvider.set(crypto);
  if (!existsSync(path('ca.pem'))) {
    // A new CA would be useless next to a server certificate that another CA signed.
    if (existsSync(path('server.pem')) && !existsSync(path('ca.key'))) return false;
    await makeCa(path);
  }
  if (!existsSync(path('ca.key'))) return false;
  if (existsSync(path('server.pem'))) {
    const { notAfter, issuer, rawData } = new x509.X509Certificate(readFileSync(path('server.pem'), 'utf8'));
    if (issuer !== caName) return false;
    const certificate = new X509Certificate(Buffer.from(rawData));
    const isWhole = names.every((name) => isNameOf(certificate, name)) && existsSync(path('server.key'));
    if (notAfter.getTime() - Date.now() > renewBefore && isWhole) return false;
  }
  await makeServerCertificate(path, names);
  return true;
}

const caName = 'CN=Keyhold development CA';

async function makeCa(path: (name: string) => string): Promise<void> {
  const keys = await caKeys(path('ca.key'));
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: caName,
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
  replaceFileSync(path('ca.pem'), `${ca.toString('pem')}\n`, 0o644);
}

/** The key pair of the CA, made if it is missing. It is stored before it signs anything. */
async function caKeys(path: string): Promise<webcrypto.CryptoKeyPair> {
  if (!existsSync(path)) {
    const keys = await generateKeys();
    replaceFileSync(path, await privateKeyPem(keys.privateKey));
    return keys;
  }
  const pem = readFileSync(path, 'utf8');
  const spki = createPublicKey(pem).export({ type: 'spki', format: 'der' });
  const { subtle } = crypto;
  const pkcs8 = x509.PemConverter.decodeFirst(pem);
  return {
    privateKey: await subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
    publicKey: await subtle.importKey('spki', spki, algorithm, true, ['verify']),
  };
}

async function makeServerCertificate(
  path: (name: string) => string,
  names: readonly string[],
): Promise<void> {
  const ca = new x509.X509Certificate(readFileSync(path('ca.pem'), 'utf8'));
  const caKey = x509.PemConverter.decodeFirst(readFileSync(path('ca.key'), 'utf8'));
  const signingKey = await crypto.subtle.importKey('pkcs8', caKey, algorithm, false, ['sign']);
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
      new x509.SubjectAlternativeNameExtension(
        [...new Set(['localhost', '127.0.0.1', '::1', ...names])].map((value) => ({
          type: isIP(value) ? 'ip' : 'dns',
          value,
        })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey),
    ],
  });
  replaceFileSync(path('server.key'), await privateKeyPem(keys.privateKey));
  replaceFileSync(path('server.pem'), `${certificate.toString('pem')}\n`, 0o644);
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}
