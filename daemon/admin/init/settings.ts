// The options of `keyhold init` that become settings of keyhold.yaml.
import { type Command, InvalidArgumentError } from 'commander';
import { stringify } from 'yaml';
import { ConfigError } from '../../config/load.js';
import type { Config } from '../../config/schema.js';
import { wholeNumber } from '../program.js';

interface Setting {
  /** As commander takes it. */
  readonly flags: string;
  readonly description: string;
  /** Members of keyhold.yaml, from outside in. */
  readonly path: readonly string[];
  readonly parse?: (text: string) => unknown;
}

const port = (text: string): number => {
  const number = wholeNumber(text);
  if (number > 65_535) throw new InvalidArgumentError('It must be a port number.');
  return number;
};

/** In the order in which keyhold.yaml has them. */
const settings: readonly Setting[] = [
  { flags: '--account <id>', description: '12 digits (default: 000000000000)', path: ['account'] },
  { flags: '--region <name>', description: 'Region name (default: us-east-1)', path: ['region'] },
  {
    flags: '--profile <name>',
    description: 'HSM profile, a file of hsm-config, or a path ….yaml (default: softhsm2)',
    path: ['hsm', 'profile'],
  },
  {
    flags: '--token-label <label>',
    description: 'label of the token (default: keyhold)',
    path: ['hsm', 'tokenLabel'],
  },
  {
    flags: '--token-serial <serial>',
    description: 'serial number of the token, instead of its label or beside it',
    path: ['hsm', 'tokenSerial'],
  },
  {
    flags: '--user <name>',
    description: 'who logs in, with HSMs whose PINs name a user',
    path: ['hsm', 'user'],
  },
  {
    flags: '--pin-file <path>',
    description: 'the PIN is the first line of a file of mode 0600 (default: tokens/pin in the home)',
    path: ['hsm', 'pin', 'file'],
  },
  {
    flags: '--pin-credential <name>',
    description: 'or of a credential that systemd passes (LoadCredential)',
    path: ['hsm', 'pin', 'credential'],
  },
  {
    flags: '--pin-env <variable>',
    description: 'or of an environment variable of the daemon',
    path: ['hsm', 'pin', 'env'],
  },
  {
    flags: '--pin-command <words...>',
    description: 'or of what a program prints',
    path: ['hsm', 'pin', 'command'],
  },
  {
    flags: '--socket <path>',
    description: 'unix socket (default: keyhold.sock in the home)',
    path: ['listen', 'socket'],
  },
  {
    flags: '--socket-group <name>',
    description: 'group that may use the unix socket',
    path: ['listen', 'socketGroup'],
  },
  {
    flags: '--socket-mode <mode>',
    description: 'mode of the unix socket: 0600, 0660 or 0666 (default: 0660)',
    path: ['listen', 'socketMode'],
  },
  {
    flags: '--host <address>',
    description: 'address of the TLS port; 0.0.0.0 or :: for all (default: 127.0.0.1)',
    path: ['listen', 'host'],
  },
  {
    flags: '--port <number>',
    description: 'the TLS port (default: 7443)',
    path: ['listen', 'port'],
    parse: port,
  },
  {
    flags: '--san <names...>',
    description: 'DNS names and addresses by which clients reach the TLS port, the usual one first',
    path: ['tls', 'names'],
  },
  {
    flags: '--tls-certificate <path>',
    description: 'PEM file of a certificate of your CA, and of the CAs between',
    path: ['tls', 'certificate'],
  },
  { flags: '--tls-key <path>', description: 'PEM file of its private key', path: ['tls', 'key'] },
  { flags: '--tls-ca <path>', description: 'PEM file of your CA, for clients', path: ['tls', 'ca'] },
];

const defaults = { account: '000000000000', region: 'us-east-1' };

/** Adds the options to a command. */
export function addSettings(command: Command): Command {
  for (const { flags, description, parse } of settings) {
    if (parse) command.option(flags, description, parse);
    else command.option(flags, description);
  }
  return command;
}

/** An option that was given. */
interface Given {
  /** Such as `--host`. */
  readonly flag: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

/** The options that were given on the command line. */
export function givenSettings(command: Command): readonly Given[] {
  return settings.flatMap(({ flags, path }) => {
    const option = command.options.find((each) => each.flags === flags)!;
    const value: unknown = command.getOptionValue(option.attributeName());
    return value === undefined ? [] : [{ flag: option.long!, path, value }];
  });
}

/**
 * Writes the configuration of a new home.
 * @returns the text of keyhold.yaml, which the schema has not checked yet
 */
export function configurationText(given: readonly Given[]): string {
  const names = given.map(({ path }) => path.join('.'));
  const isGiven = (prefix: string) => names.some((name) => name.startsWith(prefix));
  const root: Record<string, unknown> = { ...defaults, hsm: { profile: 'softhsm2' } };
  if (!isGiven('hsm.token')) put(root, ['hsm', 'tokenLabel'], 'keyhold');
  for (const { path, value } of given) put(root, path, value);
  if (!isGiven('hsm.pin')) put(root, ['hsm', 'pin', 'file'], 'tokens/pin');
  return `# Keyhold's configuration; docs/configuration.md lists every setting.\n${stringify(root)}${regionsHint}`;
}

function put(into: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path;
  if (rest.length === 0) into[name] = value;
  else put((into[name] ??= {}) as Record<string, unknown>, rest, value);
}

/**
 * Refuses options that a configuration which is there contradicts.
 * @throws ConfigError that names them
 */
export function refuseIgnored(given: readonly Given[], config: Config, file: string): void {
  const valueAt = (path: readonly string[]) =>
    path.reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], config);
  const ignored = given.filter(({ path, value }) => String(valueAt(path)) !== String(value));
  if (ignored.length === 0) return;
  const named = ignored.map(({ flag, path }) => `${flag} (${path.join('.')})`).join(', ');
  throw new ConfigError(
    `${file} is there and says otherwise, so ${named} would be ignored. Nothing was changed. Edit the file instead.`,
  );
}

/**
 * Refuses settings that make a daemon that no client can trust.
 * @throws ConfigError
 */
export function refuseUnreachable(given: readonly Given[], { listen, tls }: Config): void {
  const own = ['--tls-certificate', '--tls-key', '--tls-ca'];
  const found = own.filter((flag) => given.some((each) => each.flag === flag));
  if (found.length > 0 && found.length < own.length)
    throw new ConfigError(`${own.join(', ')} go together: ${found.join(' and ')} alone will not do.`);
  const isWildcard = ['0.0.0.0', '::'].includes(listen.host);
  if (isWildcard && tls.names.length === 0)
    throw new ConfigError(
      `--host ${listen.host} needs --san: no certificate is made for names that nobody gave. Give the DNS names and addresses by ` +
        'which clients reach this machine.',
    );
}

const regionsHint = `# A port for other Regions, so that they can have replicas of multi-Region keys:
# regions: { listen: { host: 127.0.0.1, port: 7445 } }
`;
