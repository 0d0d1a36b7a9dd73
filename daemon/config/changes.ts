// The names of settings that differ between two readings of the configuration; never their values.
import { isDeepStrictEqual } from 'node:util';
import type { Config } from './schema.js';

/** Settings that a reload applies, by prefix; the others require a restart. */
const reloadable = ['accessLog', 'audit.sinks', 'clusters', 'logLevel', 'tls'];

export interface ConfigChanges {
  /** Settings that apply from now on, such as `tls.mapping`. */
  readonly changed: readonly string[];
  /** Settings that differ from those of the start, and require a restart. */
  readonly afterRestart: readonly string[];
}

/** @param atStart as it was at the start @param current as it was at the last reload @param next as it is now */
export function configChanges(atStart: Config, current: Config, next: Config): ConfigChanges {
  const isReloadable = (name: string) =>
    reloadable.some((start) => name === start || name.startsWith(`${start}.`));
  return {
    changed: differences(current, next, '').filter(isReloadable),
    afterRestart: differences(atStart, next, '').filter((name) => !isReloadable(name)),
  };
}

function differences(before: unknown, after: unknown, name: string): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (!isMap(before) || !isMap(after)) return [name];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys]
    .sort()
    .flatMap((key) => differences(before[key], after[key], name ? `${name}.${key}` : key));
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
