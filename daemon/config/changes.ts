// Compares two versions of the configuration. The result names settings, never their values.
import { isDeepStrictEqual } from 'node:util';
import type { Config } from './schema.js';

/** Settings that a reload applies, by prefix; the others require a restart. */
const reloadable = ['accessLog', 'audit.sinks', 'clusters', 'logLevel', 'tls'];

/** The names of the settings that a reload found changed. */
export interface ConfigChanges {
  /** Settings that apply from now on, such as `tls.mapping`. */
  readonly changed: readonly string[];
  /** Settings that differ from those at the start and require a restart. */
  readonly afterRestart: readonly string[];
}

/**
 * Compares configurations at a reload.
 * @param atStart the configuration that the daemon started with
 * @param current that of the last reload
 * @param next the one that was just read
 */
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
