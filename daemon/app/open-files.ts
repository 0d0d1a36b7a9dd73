// The limit of open files, and how many connections it leaves room for.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Config } from '../config/schema.js';

type Limits = Config['limits'];

/**
 * Files of the daemon: LevelDB's tables, whose number is limited to fit, the audit log, its sinks, libraries, and listeners.
 */
const ownFiles = 320;
/** Pipes and channels of a worker. */
const filesPerWorker = 8;
/** Minimum number of connections of each kind. */
const fewest = 4;

/** Limits that fit the limit of open files. */
export interface Fitted {
  readonly limits: Limits;
  /** A sentence about the limits that were reduced, if any. */
  readonly warnings: readonly string[];
}

/**
 * The limit of open files of this process, RLIMIT_NOFILE. Node raises the soft limit to the hard one when it starts.
 * @returns undefined if it is unlimited or cannot be read
 */
export function openFilesLimit(): number | undefined {
  try {
    const text = readFileSync('/proc/self/limits', 'latin1');
    const soft = /^Max open files +(\d+|unlimited) /m.exec(text)?.[1];
    return soft === undefined || soft === 'unlimited' ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/** The number of HSM workers of all key stores. */
export function workersOf({ hsm, clusters }: Config): number {
  const tokens = [hsm, ...Object.values(clusters)];
  return tokens.reduce((sum, { workers }) => sum + (workers ?? Math.max(2, availableParallelism())), 0);
}

/**
 * Reduces the limits of connections so that the daemon's own files always have descriptors.
 * @param files limit of open files; undefined: there is none
 * @param workers HSM workers of all key stores
 */
export function fitConnections(limits: Limits, files: number | undefined, workers: number): Fitted {
  const { connections, httpConnections, unauthenticatedConnections } = limits;
  const wanted = connections + httpConnections + unauthenticatedConnections;
  const reserved = ownFiles + filesPerWorker * workers;
  if (files === undefined || wanted + reserved <= files) return { limits, warnings: [] };
  const part = Math.max(0, files - reserved) / wanted;
  const cut = (limit: number) => Math.min(limit, Math.max(fewest, Math.floor(limit * part)));
  const fitting = {
    connections: cut(connections),
    httpConnections: cut(httpConnections),
    unauthenticatedConnections: cut(unauthenticatedConnections),
  };
  const names = Object.entries(fitting).map(
    ([name, limit]) => `limits.${name} is ${limit} instead of ${limits[name as keyof typeof fitting]}`,
  );
  return {
    limits: {
      ...limits,
      ...fitting,
      unauthenticatedConnectionsPerSource: Math.min(
        limits.unauthenticatedConnectionsPerSource,
        Math.max(fewest, Math.floor((fitting.unauthenticatedConnections * 3) / 4)),
      ),
    },
    warnings: [
      `the limit of open files is ${files}, of which ${reserved} are kept for Keyhold's own files: ${names.join(', ')}. ` +
        `Raise it to ${wanted + reserved} (ulimit -n, LimitNOFILE= of systemd), or set lower limits`,
    ],
  };
}
