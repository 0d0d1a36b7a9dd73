// Writes the client files (env, bin/keyhold) and makes the texts that the daemon prints when it is ready.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { replaceFileSync } from '../files/replace-file.js';
import { homePaths } from '../files/home.js';

/** The addresses of a daemon, for clients. */
export interface Endpoint {
  readonly home: string;
  readonly socket: string;
  readonly host: string;
  readonly port: number;
  readonly region: string;
  /** The listener without TLS, if configured. */
  readonly http?: { readonly host: string; readonly port: number } | undefined;
  /** Path of the CA certificate that clients need. */
  readonly ca: string;
}

const cli = fileURLToPath(new URL('../../client/cli/main.js', import.meta.url));

/** Writes `$KEYHOLD_HOME/env`, a file to source, and `bin/keyhold`. */
export function writeClientFiles({ home, socket, host, port, region, ca }: Endpoint): void {
  const { credentials, bin, clientConfig, env, tls } = homePaths(home);
  const url = `https://${hostOf(host)}:${port}`;
  const variables = {
    KEYHOLD_HOME: home,
    KEYHOLD_URL: `unix:${socket}`,
    AWS_ENDPOINT_URL_KMS: url,
    AWS_ENDPOINT_URL_STS: url,
    AWS_SHARED_CREDENTIALS_FILE: credentials,
    AWS_PROFILE: 'default',
    // The SDK for JavaScript v2 reads the credentials file only if it may load a config file too.
    AWS_SDK_LOAD_CONFIG: '1',
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
  };
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`);
  const text = [
    "# To be sourced: '. env'. Written by the daemon at each start.",
    '# These would win over the profile.',
    'unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN',
    ...lines,
    '# It fails where there is no config file at all.',
    `[ -n "\${AWS_CONFIG_FILE:-}" ] || [ -r "\${HOME:-}/.aws/config" ] || export AWS_CONFIG_FILE=${quote(clientConfig)}`,
    ...trustLines(tls, ca),
    `case ":\${PATH:-}:" in *:${quote(bin)}:*) ;; *) export PATH=${quote(bin)}"\${PATH:+:$PATH}" ;; esac`,
    '',
  ].join('\n');
  replaceFileSync(
    join(bin, 'keyhold'),
    `#!/bin/sh\nexec ${quote(process.execPath)} ${quote(cli)} "$@"\n`,
    0o755,
  );
  replaceFileSync(clientConfig, `# Written by the daemon at each start.\n[default]\nregion = ${region}\n`);
  replaceFileSync(env, text);
}

/** Where operating systems keep their trusted CA certificates. */
const systemBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * Shell lines that trust Keyhold's CA in addition to what the shell trusts already, such as the CA of a company's proxy.
 * For the AWS CLI a bundle replaces the built-in list, so the system's bundle is included if the shell names none. Node
 * adds a bundle to its built-in list.
 */
function trustLines(folder: string, ca: string): string[] {
  const own = quote(join(folder, 'trust-'));
  const known = (variable: string) => `case "\${${variable}:-}" in ${own}*|${quote(ca)})`;
  return [
    '# Prints the path of a bundle: the PEM file $1 and the CA of Keyhold.',
    'keyhold_trust() (',
    `  bundle=${own}$(printf %s "$1" | cksum | tr -cd 0-9).pem`,
    `  if [ -r "$1" ] && { cat "$1" && echo && cat ${quote(ca)}; } > "$bundle.$$" 2>/dev/null &&`,
    '    mv -f "$bundle.$$" "$bundle" 2>/dev/null; then printf %s "$bundle"',
    `  else printf %s ${quote(ca)}; fi`,
    ')',
    '# What the shell trusted before is kept, so that the file can be sourced again.',
    `${known('AWS_CA_BUNDLE')} ;; *) export KEYHOLD_KEPT_CA_BUNDLE="\${AWS_CA_BUNDLE:-\${REQUESTS_CA_BUNDLE:-\${SSL_CERT_FILE:-}}}" ;; esac`,
    `${known('NODE_EXTRA_CA_CERTS')} ;; *) export KEYHOLD_KEPT_NODE_CERTS="\${NODE_EXTRA_CA_CERTS:-}" ;; esac`,
    `for keyhold_kept in "\${KEYHOLD_KEPT_CA_BUNDLE:-}" ${systemBundles.join(' ')}; do [ ! -r "$keyhold_kept" ] || break; done`,
    'AWS_CA_BUNDLE=$(keyhold_trust "$keyhold_kept")',
    'NODE_EXTRA_CA_CERTS=$(keyhold_trust "${KEYHOLD_KEPT_NODE_CERTS:-}")',
    'export AWS_CA_BUNDLE NODE_EXTRA_CA_CERTS',
    'unset -f keyhold_trust',
    'unset keyhold_kept',
  ];
}

/** The commands to try next, for a person at a terminal. */
export function welcomeText({ home }: Endpoint): string {
  return `
Keyhold is ready. In another terminal:

  . ${quote(homePaths(home).env)}
  KEY=$(keyhold create-key --description 'my first key' --query KeyMetadata.KeyId --output text)
  keyhold describe-key --key-id "$KEY"
  echo 'a secret' | keyhold seal --key-id "$KEY" - > secret.sealed
  keyhold open secret.sealed --output-file -
  keyhold audit tail
`;
}

/** The line for the program that started the daemon: the daemon is ready, at these addresses. */
export function readyLine({ socket, host, port, http }: Endpoint): string {
  const plain = http ? ` http://${hostOf(http.host)}:${http.port}/` : '';
  return `ready unix:${socket} wss://${hostOf(host)}:${port}/${plain}`;
}

/** A host as it is in a URL: IPv6 addresses have brackets (RFC 3986, section 3.2.2). */
function hostOf(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Quotes a text as one word of the shell. */
function quote(text: string): string {
  return /^[A-Za-z0-9_/.:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
