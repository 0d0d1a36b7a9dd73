// Reload on SIGHUP: reads the configuration again, applies what can change while the daemon runs, and records the reload or
// the refusal of the configuration.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { SinkSettings } from '../audit/sinks/kinds.js';
import { type Expiry, expiriesOf } from './certificate-expiry.js';
import { configChanges } from '../config/changes.js';
import { ConfigError, inHome, loadConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import type { CertificateTrust } from '../identity/certificates/certificates.js';
import { toPem } from '../identity/certificates/pem.js';
import { readSinks } from './sink-settings.js';
import { readTlsFiles, type TlsFiles } from './tls-files.js';

/** A configuration with the files that it names. */
export interface Loaded {
  readonly config: Config;
  readonly tls: TlsFiles;
  readonly sinks: ReadonlyMap<string, SinkSettings>;
  /** Expiries of the certificates and revocation lists among them. */
  readonly expiries: readonly Expiry[];
}

/** Reads and checks all files that a configuration names, before anything is changed. @throws ConfigError */
export function load(home: string, config: Config): Loaded {
  const tls = readTlsFiles(home, config.tls);
  checkServerPair(home, config, tls);
  if (tls.clientTrust) checkClientTrust(tls.clientTrust);
  const sinks = readSinks(home, config.audit.sinks);
  return { config, tls, sinks, expiries: expiriesOf(tls, sinks) };
}

function checkServerPair(home: string, { tls: names }: Config, { certificate, key }: TlsFiles): void {
  const refused = (reason: string) =>
    new ConfigError(`'tls.certificate' and 'tls.key' cannot be used: ${reason}`);
  let isPair: boolean;
  try {
    createSecureContext({ cert: certificate });
    isPair = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
    if (isPair) createSecureContext({ cert: certificate, key });
  } catch (error) {
    throw refused(error instanceof Error ? error.message : String(error));
  }
  if (isPair) return;
  const [first, second] = [inHome(home, names.certificate), inHome(home, names.key)];
  throw refused(`the private key in ${second} is not that of the first certificate in ${first}.`);
}

function checkClientTrust({ authorities, revocationLists }: CertificateTrust): void {
  const check = (setting: string, use: () => unknown) => {
    try {
      use();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ConfigError(`'${setting}' cannot be used: ${reason}`);
    }
  };
  // OpenSSL silently skips an authority that it cannot parse.
  for (const der of authorities) check('tls.clientCa', () => new X509Certificate(der));
  for (const der of revocationLists)
    check('tls.crl', () => createSecureContext({ crl: toPem(der, 'X509 CRL') }));
}

/** What a reload changes, and where it is recorded. */
export interface ReloadTarget {
  /** Whether an event can be recorded now. */
  readonly canRecord: () => boolean;
  /** Applies what a reload can change. @throws Error if it cannot be used; nothing is changed then */
  readonly apply: (loaded: Loaded) => void;
  /** Records the reload, or its failure, in the audit log. */
  readonly record: (data: object, error?: { code: string; message: string }) => void;
}

/** Reloads the configuration. */
export class Reloader {
  #current: Loaded;

  constructor(
    private readonly home: string,
    private readonly atStart: Loaded,
    private readonly target: ReloadTarget,
  ) {
    this.#current = atStart;
  }

  /**
   * Reads the configuration again and applies it. A failure is recorded, and leaves everything as it was.
   * @throws ConfigError, and what `apply` throws
   */
  reload(): void {
    if (!this.target.canRecord())
      throw new ConfigError('the audit log cannot be written, and a reload must be recorded. See the log.');
    try {
      const next = load(this.home, loadConfig(this.home));
      if ((next.tls.clientTrust === undefined) !== (this.atStart.tls.clientTrust === undefined))
        throw new ConfigError("Adding or removing 'tls.clientCa' requires a restart.");
      const changes = configChanges(this.atStart.config, this.#current.config, next.config);
      this.target.apply(next);
      this.target.record({ ...changes, changedFiles: changedFiles(this.#current, next) });
      this.#current = next;
    } catch (error) {
      this.target.record({}, { code: 'InvalidConfiguration', message: recordable(error) });
      throw error;
    }
  }
}

/** The settings that name files whose content has changed. */
function changedFiles(before: Loaded, after: Loaded): string[] {
  const [old, now] = [filesOf(before), filesOf(after)];
  return [...now.keys()].filter((name) => !isDeepStrictEqual(old.get(name), now.get(name)));
}

function filesOf({ tls, sinks }: Loaded): Map<string, unknown> {
  const files = new Map<string, unknown>([
    ['tls.certificate', tls.certificate],
    ['tls.key', tls.key],
    ['tls.clientCa', tls.clientTrust?.authorities],
    ['tls.crl', tls.clientTrust?.revocationLists],
  ]);
  for (const [name, settings] of sinks)
    for (const file of ['ca', 'certificate', 'key', 'secretFile'] as const)
      files.set(`audit.sinks.${name}.${file}`, settings[file]);
  return files;
}

function recordable(error: unknown): string {
  if (error instanceof ConfigError) return error.recorded;
  return error instanceof Error ? error.message : String(error);
}
