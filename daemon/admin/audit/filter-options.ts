// The filters of `keyhold audit query` and `keyhold audit tail`, as options.
import type { Command } from 'commander';
import { type Filter, filterSpecs } from '../../audit/query/filters.js';
import { UsageError } from '../program.js';

/** Adds an option for each filter. */
export function addFilterOptions(command: Command): void {
  for (const { flags, description } of Object.values(filterSpecs)) command.option(flags, description);
}

/**
 * The filters that the options ask for.
 * @param now milliseconds since the epoch
 * @throws UsageError
 */
export function readFilters(options: Readonly<Record<string, unknown>>, now: number): Filter[] {
  return Object.entries(filterSpecs).flatMap(([name, { parse }]) => {
    const argument = options[name];
    if (typeof argument !== 'string') return [];
    const filter = argument === '' ? 'not empty' : parse(argument, now);
    if (typeof filter === 'string') throw new UsageError(`--${name} '${argument}': it must be ${filter}`);
    return [filter];
  });
}
