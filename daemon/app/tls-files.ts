// Reads the files that `tls` in the configuration names.
import { readFileSync } from 'node:fs';
import { ConfigError, inHome } from '../config/load.js';
import type { Config } from '../config/schema.js';
import type { CertificateTrust } from '../identity/certificates/certificates.js';

/** The files of `tls`. */
export interface TlsFiles {
  /** PEM. */
  readonly certificate: Buffer;
  readonly key: Buffer;
  /** undefined: client certificates are not asked for. */
  readonly clientTrust: CertificateTrust | undefined;
}

/** Reads the files of `tls`. @throws ConfigError that names the file */
export function readTlsFiles(home: string, tls: Config['tls']): TlsFiles {
  const read = (name: string) => readNamed(home, name);
  const { clientCa, crl, mapping } = tls;
  return {
    certificate: read(tls.certificate),
    key: read(tls.key),
    clientTrust:
      clientCa === undefined
        ? undefined
        : {
            authorities: pemBlocks(read(clientCa), 'CERTIFICATE', inHome(home, clientCa)),
            revocationLists: crl === undefined ? [] : pemBlocks(read(crl), 'X509 CRL', inHome(home, crl)),
            mapping,
          },
  };
}

/** Reads a file that the configuration names. @throws ConfigError that names it */
export function readNamed(home: string, name: string): Buffer {
  const path = inHome(home, name);
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ConfigError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? ''}).`);
  }
}

/**
 * The PEM blocks of a file, as DER.
 * @param label of the blocks, such as `CERTIFICATE`
 * @param path of the file, for the message
 * @throws ConfigError if there is none
 */
export function pemBlocks(text: Buffer, label: string, path: string): Buffer[] {
  const block = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`, 'g');
  const blocks = [...text.toString().matchAll(block)].map(([, body = '']) => Buffer.from(body, 'base64'));
  if (blocks.length === 0) throw new ConfigError(`${path} holds no PEM block '${label}'.`);
  return blocks;
}
