// The checks of the audit sinks by doctor: their files, and whether the receivers can be reached. No record is sent.
import { makeDelivery } from '../../audit/sinks/kinds.js';
import { readSinks } from '../../app/sink-settings.js';
import { ConfigError, loadConfig } from '../../config/load.js';
import type { Check } from './doctor-checks.js';

/** Milliseconds for each receiver. */
const patience = 10_000;

/** Checks the audit sinks of a home's configuration. @throws ConfigError if the configuration cannot be read */
export function checkSinks(home: string): Promise<Check[]> {
  const { audit } = loadConfig(home);
  return Promise.all(
    Object.entries(audit.sinks).map(async ([name, sink]): Promise<Check> => {
      const check = `audit sink ${name}`;
      try {
        const delivery = makeDelivery(readSinks(home, { [name]: sink }).get(name)!);
        await delivery.probe(AbortSignal.timeout(patience)).finally(() => delivery.close());
        return { check, ok: true, detail: `${sink.type}, answers` };
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        const isOwn = error instanceof ConfigError;
        return { check, ok: false, detail: isOwn ? reason : `${sink.type}, cannot be reached: ${reason}` };
      }
    }),
  );
}
