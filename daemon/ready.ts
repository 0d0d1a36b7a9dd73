// What a home holds for clients once the daemon answers, and what the daemon then prints.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { replaceFileSync } from './files/replace-file.js';

export interface Endpoint {
  readonly home: string;
  readonly socket: string;
  readonly host: string;
  readonly port: number;
  readonly region: string;
  /** Without TLS, where it is configured. */
  readonly http?: { readonly host: string; readonly port: number } | undefined;
  /** The CA that clients need, a path. */
  readonly ca: string;
}

const cli = fileURLToPath(new URL('../client/cli/main.js', import.meta.url));

/** Writes `$KEYHOLD_HOME/env`, a file to source, and `bin/keyhold`. */
export function writeClientFiles({ home, socket, host, port, region, ca }: Endpoint): void {
  const credentials = join(home, 'credentials');
  const url = `https://${hostOf(host)}:${port}`;
  const variables = {
    KEYHOLD_HOME: home,
    KEYHOLD_URL: `unix:${socket}`,
    AWS_ENDPOINT_URL_KMS: url,
    AWS_ENDPOINT_URL_STS: url,
    AWS_SHARED_CREDENTIALS_FILE: credentials,
    AWS_PROFILE: 'default',
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_CA_BUNDLE: ca,
    NODE_EXTRA_CA_CERTS: ca,
  };
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`);
  const bin = join(home, 'bin');
  const text = [
    "# To be sourced: '. env'. Written by the daemon at each start.",
    '# These would win over the profile.',
    'unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN',
    ...lines,
    `case ":\${PATH:-}:" in *:${quote(bin)}:*) ;; *) export PATH=${quote(bin)}"\${PATH:+:$PATH}" ;; esac`,
    '',
  ].join('\n');
  replaceFileSync(
    join(bin, 'keyhold'),
    `#!/bin/sh\nexec ${quote(process.execPath)} ${quote(cli)} "$@"\n`,
    0o755,
  );
  replaceFileSync(join(home, 'env'), text);
}

/** The commands to try next, and the line that says that the daemon answers. */
export function readyText({ home, socket, host, port, http }: Endpoint): string {
  const plain = http ? ` It also takes http://${hostOf(http.host)}:${http.port}/.` : '';
  return `
Keyhold answers.${plain} In another terminal:

  . ${quote(join(home, 'env'))}
  KEY=$(keyhold create-key --description 'my first key' --query KeyMetadata.KeyId --output text)
  keyhold describe-key --key-id "$KEY"
  echo 'a secret' | keyhold seal --key-id "$KEY" - > secret.sealed
  keyhold open secret.sealed --output-file -
  keyhold audit tail

ready unix:${socket} wss://${hostOf(host)}:${port}/`;
}

/** A host as it is in a URL: IPv6 addresses have brackets (RFC 3986, section 3.2.2). */
function hostOf(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** As a word of the shell. */
function quote(text: string): string {
  return /^[A-Za-z0-9_/.:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
