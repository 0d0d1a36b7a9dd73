// Settings of the audit sinks: the configuration's `audit.sinks`, with the files that it names.
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { SinkSettings } from '../audit/sinks/kinds.js';
import { Sinks } from '../audit/sinks/sinks.js';
import { parseSecrets } from '../audit/sinks/webhook-signature.js';
import { ConfigError, inHome } from '../config/load.js';
import type { Config } from '../config/schema.js';
import type { Logger } from '../observability/log.js';
import { readNamed } from './tls-files.js';
import { homePaths } from '../files/home.js';

type SinkConfig = Config['audit']['sinks'][string];
type TlsFile = 'ca' | 'certificate' | 'key';

/** Reads the settings of the sinks, by name. @throws ConfigError that names the file or the sink */
export function readSinks(home: string, sinks: Config['audit']['sinks']): Map<string, SinkSettings> {
  return new Map(Object.entries(sinks).map(([name, sink]) => [name, settingsOf(home, name, sink)]));
}

function settingsOf(home: string, name: string, sink: SinkConfig): SinkSettings {
  if (sink.type === 'webhook') {
    const { type, url, batchBytes, batchSeconds, timeoutSeconds } = sink;
    const times = { batchInterval: batchSeconds * 1000, timeout: timeoutSeconds * 1000 };
    const secretFile = readSecrets(home, name, sink.secretFile);
    return { type, url, ...tlsFilesOf(home, name, sink), secretFile, batchBytes, ...times };
  }
  const { confirmSeconds, confirmBytes, ...rest } = sink;
  const confirmation = { confirmInterval: confirmSeconds * 1000, confirmBytes };
  if (rest.type === 'journal') return { ...rest, ...confirmation };
  return { ...rest, ...tlsFilesOf(home, name, rest), ...confirmation };
}

/** @throws ConfigError */
function tlsFilesOf(
  home: string,
  sink: string,
  names: Readonly<Partial<Record<TlsFile, string | undefined>>>,
): Readonly<Record<TlsFile, Buffer | undefined>> {
  const read = (name: string | undefined) => (name === undefined ? undefined : readNamed(home, name));
  const files = { ca: read(names.ca), certificate: read(names.certificate), key: read(names.key) };
  try {
    createSecureContext({ ca: files.ca, cert: files.certificate, key: files.key });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`'audit.sinks.${sink}': certificate, key or CA cannot be used: ${reason}`);
  }
  return files;
}

/** @throws ConfigError, which does not quote the setting: somebody may have put the secret itself there */
function readSecrets(home: string, sink: string, name: string): Buffer {
  const path = inHome(home, name);
  const refused = (reason: string) =>
    new ConfigError(`The file of 'audit.sinks.${sink}.secretFile' ${reason}.`);
  let bytes: Buffer;
  try {
    if ((statSync(path).mode & 0o077) !== 0)
      throw refused('must not be accessible to other users: run chmod 600 on it');
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw refused(`cannot be read (${(error as NodeJS.ErrnoException).code ?? ''})`);
  }
  try {
    parseSecrets(bytes);
  } catch (error) {
    throw refused(`cannot be used: ${(error as Error).message}`);
  }
  return bytes;
}

/** Makes the sinks; none runs yet. @param durable returns the sequence number of the newest durable record */
export function makeSinks(home: string, durable: () => number, log: Logger): Sinks {
  return new Sinks({
    directory: homePaths(home).audit,
    positions: homePaths(home).auditSinks,
    durable,
    observe: (sink, error) => {
      if (error) log.error({ sink, err: error }, 'audit sink failed; unacknowledged records will be retried');
      else log.info({ sink }, 'audit sink works again');
    },
  });
}
