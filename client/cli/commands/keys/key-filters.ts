// The filters of keyhold ls.
import { type Command, Option } from 'commander';
import { shapeByName } from '../../../../proto/schema/descriptor.js';
import { UsageError } from '../../input/values.js';
import type { ListedKey } from './listed-keys.js';

/** The values of the filter options. */
export interface KeyFilters {
  readonly state?: string;
  readonly spec?: string;
  readonly usage?: string;
  readonly origin?: string;
  readonly alias?: string;
  readonly tag?: string;
  readonly unusedFor?: string;
}

const metadata = shapeByName.get('DescribeKey')!.response.byName.get('keyMetadata')!.message!.byName;

/** Filters that compare a member of the metadata. */
const members = [
  ['state', 'keyState', 'only keys in this state'],
  ['spec', 'keySpec', 'only keys of this spec'],
  ['usage', 'keyUsage', 'only keys for this usage'],
  ['origin', 'origin', 'only keys whose material comes from there'],
] as const;

/** Adds the options of the filters. */
export function addKeyFilters(command: Command): void {
  for (const [name, member, text] of members) {
    const words = [...(metadata.get(member)?.numbers?.keys() ?? [])];
    command.addOption(
      new Option(`--${name} <${name}>`, text).choices(words).argParser((given: string) => {
        const word = words.find((each) => each.toLowerCase() === given.toLowerCase());
        if (word !== undefined) return word;
        throw new UsageError(`--${name} takes one of: ${words.join(', ')}, not '${given}'.`);
      }),
    );
  }
  command
    .option('--alias <pattern>', "only keys with an alias like this, such as 'app-*'; with or without alias/")
    .option('--tag <name[=value]>', 'only keys with this tag')
    .option('--unused-for <time>', 'only keys not used for so long, such as 90d, 12h or 30m');
}

/**
 * Makes a test that is true for keys that pass all filters.
 * @param now epoch seconds
 * @throws UsageError for a filter that cannot be read
 */
export function keyFilter(filters: KeyFilters, now: number): (key: ListedKey) => boolean {
  const { alias, tag, unusedFor } = filters;
  const tests: ((key: ListedKey) => boolean)[] = [];
  for (const [name, member] of members) {
    const wanted = filters[name];
    if (wanted !== undefined) tests.push((key) => key.metadata?.[member] === wanted);
  }
  if (alias !== undefined) {
    const pattern = globPattern(alias);
    tests.push(({ aliases }) => aliases.some((each) => pattern.test(each.replace(/^alias\//, ''))));
  }
  if (tag !== undefined) {
    const [, name = '', value] = /^([^=]+)(?:=(.*))?$/s.exec(tag) ?? [];
    if (name === '') throw new UsageError(`--tag takes name or name=value, not '${tag}'.`);
    tests.push(({ tags = {} }) => Object.hasOwn(tags, name) && (value === undefined || tags[name] === value));
  }
  if (unusedFor !== undefined) {
    const since = now - secondsOf(unusedFor);
    tests.push(({ lastUse, metadata: { creationDate = 0 } = {} }) => (lastUse ?? creationDate) <= since);
  }
  return (key) => tests.every((passes) => passes(key));
}

/** `*` matches any text, `?` one character. */
function globPattern(glob: string): RegExp {
  const escaped = glob.replace(/^alias\//, '').replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

function secondsOf(text: string): number {
  const [, count, unit = ''] = /^([0-9]{1,9})([smhdw])$/.exec(text) ?? [];
  if (count === undefined)
    throw new UsageError(`--unused-for takes a time such as 90d, 12h or 30m, not '${text}'.`);
  return Number(count) * unitSeconds[unit]!;
}
