// A real log with one sink, for the tests of sinks.
import { join } from 'node:path';
import type { Test } from 'tap';
import type { FileAuditLog } from '../../../daemon/audit/open.js';
import type { SinkSettings } from '../../../daemon/audit/sinks/kinds.js';
import { Sinks } from '../../../daemon/audit/sinks/sinks.js';
import { members, openLog, until } from '../support.js';

export interface SinkWorld {
  readonly log: FileAuditLog;
  readonly directory: string;
  readonly sinks: Sinks;
  readonly positionFile: string;
  readonly errors: (Error | undefined)[];
  /** Starts the sink, restarts it with other settings, or ends it. */
  apply(settings: SinkSettings | undefined): void;
  append(count: number, text?: string): Promise<void>;
  /** Waits until the receiver has confirmed all records of the log. */
  received(): Promise<void>;
  status(): NonNullable<Sinks['status'][string]>;
}

/** Opens a log of small files in a folder, and sinks of which none runs yet. */
export async function openWorld(t: Test, folder: string): Promise<SinkWorld> {
  const directory = join(folder, 'audit');
  const positions = join(folder, 'audit-sinks');
  const errors: (Error | undefined)[] = [];
  const made: { sinks?: Sinks } = {};
  const { log } = await openLog(directory, { maxFileSize: 32 * 1024, durable: () => made.sinks?.ring() });
  const sinks = new Sinks({
    directory,
    positions,
    durable: () => log.head.sequence,
    observe: (_name, error) => errors.push(error),
  });
  made.sinks = sinks;
  t.teardown(async () => {
    await log.close();
    await sinks.close();
  });
  let number = 0;
  return {
    log,
    directory,
    sinks,
    positionFile: join(positions, 'siem.json'),
    errors,
    apply: (settings) => sinks.apply(new Map(settings ? [['siem', settings]] : [])),
    append: async (count, text) => {
      // A few at a time, because each group of records is written to one file.
      for (let left = count; left > 0; left -= 50)
        await Promise.all(
          Array.from({ length: Math.min(left, 50) }, () => log.append(members(number++, text))),
        );
    },
    received: () => until(() => sinks.status.siem?.recordsBehind === 0),
    status: () => sinks.status.siem!,
  };
}
