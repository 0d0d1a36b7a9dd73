// Settings of the audit sinks: the configuration's `audit.sinks`, with the files that it names.
import { createSecureContext } from 'node:tls';
import { Sinks } from '../audit/sinks/sinks.js';
import type { SyslogSettings } from '../audit/sinks/syslog-sink.js';
import { ConfigError } from '../config/load.js';
import type { Config } from '../config/schema.js';
import type { Logger } from '../observability/log.js';
import { readNamed } from './tls-files.js';
import { homePaths } from '../files/home.js';

/** Reads the settings of the sinks, by name. @throws ConfigError that names the file or the sink */
export function readSinks(home: string, sinks: Config['audit']['sinks']): Map<string, SyslogSettings> {
  const read = (name: string | undefined) => (name === undefined ? undefined : readNamed(home, name));
  const settings = new Map<string, SyslogSettings>();
  for (const [name, sink] of Object.entries(sinks)) {
    const files = { ca: read(sink.ca), certificate: read(sink.certificate), key: read(sink.key) };
    try {
      createSecureContext({ ca: files.ca, cert: files.certificate, key: files.key });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ConfigError(`'audit.sinks.${name}': certificate, key or CA cannot be used: ${reason}`);
    }
    const { host, port, serverName, facility, appName, hostname, enterpriseNumber } = sink;
    const confirmation = { confirmInterval: sink.confirmSeconds * 1000, confirmBytes: sink.confirmBytes };
    const message = { facility, appName, hostname, enterpriseNumber };
    settings.set(name, { host, port, serverName, ...files, ...message, ...confirmation });
  }
  return settings;
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
