// A certificate authority for tests, by openssl.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Issued {
  /** PEM. */
  readonly certificate: Buffer;
  readonly certificateKey: Buffer;
  readonly path: string;
}

export interface Request {
  /** Subject in openssl's notation: `/O=Example/CN=app`. */
  readonly subject: string;
  readonly uris?: readonly string[];
  readonly notAfter?: Date;
}

const config = `
[ca]
default_ca = authority
[authority]
database = index.txt
new_certs_dir = .
rand_serial = yes
crlnumber = crlnumber
default_md = sha256
default_days = 2
default_crl_days = 2
unique_subject = no
policy = anything
certificate = ca.pem
private_key = ca.key
[anything]
countryName = optional
organizationName = optional
organizationalUnitName = optional
commonName = optional
`;

export class Authority {
  #count = 0;

  /** @param folder created for its files */
  constructor(
    readonly folder: string,
    name: string,
  ) {
    mkdirSync(folder);
    writeFileSync(join(folder, 'config'), config);
    writeFileSync(join(folder, 'index.txt'), '');
    writeFileSync(join(folder, 'crlnumber'), '01\n');
    this.#run(
      'req',
      '-x509',
      ...newKey,
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
    );
  }

  /** Path of its own certificate. */
  get certificate(): string {
    return join(this.folder, 'ca.pem');
  }

  /** Issues a client certificate. */
  issue({ subject, uris = [], notAfter }: Request): Issued {
    const name = `client${++this.#count}`;
    const names = uris.map((uri) => `URI:${uri}`).join(',');
    const extensions = ['[client]', 'extendedKeyUsage = clientAuth', names && `subjectAltName = ${names}`];
    writeFileSync(join(this.folder, `${name}.ext`), `${extensions.join('\n')}\n`);
    this.#run('req', ...newKey, '-utf8', '-subj', subject, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    const end = notAfter ? ['-enddate', `${notAfter.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`] : [];
    const extension = ['-extfile', `${name}.ext`, '-extensions', 'client'];
    const files = ['-in', `${name}.csr`, '-out', `${name}.pem`];
    this.#run('ca', '-config', 'config', '-batch', '-notext', '-utf8', ...end, ...extension, ...files);
    const path = join(this.folder, `${name}.pem`);
    return {
      path,
      certificate: readFileSync(path),
      certificateKey: readFileSync(join(this.folder, `${name}.key`)),
    };
  }

  revoke({ path }: Issued): void {
    this.#run('ca', '-config', 'config', '-revoke', path);
  }

  /** Writes its current revocation list. @returns PEM */
  revocationList(): Buffer {
    this.#run('ca', '-config', 'config', '-gencrl', '-out', 'crl.pem');
    return readFileSync(join(this.folder, 'crl.pem'));
  }

  #run(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] });
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
