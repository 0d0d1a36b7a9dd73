// keyhold ls: lists the keys in a table.
import type { Command } from 'commander';
import { shown } from '../../../../proto/text.js';
import { type Cell, tableLines, tableWidth } from '../../output/columns.js';
import { addOutputOptions, type OutputOptions, print } from '../../output/output.js';
import { wordStyle } from '../../output/readable.js';
import { type Screen, standardScreen } from '../../output/style.js';
import { durationText } from '../../output/times.js';
import { withClient } from '../../session.js';
import { addKeyFilters, type KeyFilters, keyFilter } from './key-filters.js';
import { shortIdLength } from './key-names.js';
import { keyJson, type ListedKey, readKeys } from './listed-keys.js';

type Options = OutputOptions & KeyFilters;

/** Adds `keyhold ls`. */
export function addLsCommand(program: Command): void {
  const command = program
    .command('ls')
    .helpGroup('At a glance:')
    .description('Lists keys with their aliases, states, kinds and last use.')
    .action((options: Options) => ls(options));
  addKeyFilters(command);
  addOutputOptions(command);
}

async function ls(options: Options): Promise<void> {
  const passes = keyFilter(options, Date.now() / 1000);
  await withClient(async (client) => {
    const keys = await readKeys(client, options.tag !== undefined);
    const listed = keys.filter(passes);
    await print({ Keys: listed.map(keyJson) }, options, () => text(listed, keys.length));
  }, 'ListKeys');
}

const usages: Readonly<Record<string, string>> = {
  ENCRYPT_DECRYPT: 'encrypt',
  SIGN_VERIFY: 'sign',
  GENERATE_VERIFY_MAC: 'mac',
  KEY_AGREEMENT: 'agree',
  ENCAPSULATE_DECAPSULATE: 'encaps',
};

const header = ['ALIAS', 'KEY ID', 'STATE', 'SPEC', 'USAGE', 'LAST USE'];

function text(keys: readonly ListedKey[], total: number): string {
  const screen = standardScreen();
  if (keys.length === 0)
    return total === 0
      ? "There are no keys yet: 'keyhold create-key' makes one.\n"
      : `None of ${total} keys passes the filters.\n`;
  const sorted = [...keys].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  return `${fittingLines(sorted, screen).join('\n')}\n`;
}

/** The text to sort by: keys are in the order of their aliases, those without one last. */
function nameOf({ aliases, keyId }: ListedKey): string {
  return aliases[0] ?? `~${keyId}`;
}

/** Shortens IDs, and then aliases, if the screen is narrow. */
function fittingLines(keys: readonly ListedKey[], screen: Screen): string[] {
  const rowsWith = (idLength: number, aliasLength: number) =>
    keys.map((key) => row(key, idLength, aliasLength));
  let rows = rowsWith(Infinity, Infinity);
  if (tableWidth(header, rows) > screen.width) rows = rowsWith(shortIdLength, Infinity);
  const excess = tableWidth(header, rows) - screen.width;
  if (excess > 0) {
    const widest = rows.reduce((width, [alias]) => Math.max(width, alias!.text.length), 0);
    rows = rowsWith(shortIdLength, Math.max(header[0]!.length, widest - excess));
  }
  return tableLines(header, rows, screen);
}

function row(
  { keyId, metadata, aliases, lastUse }: ListedKey,
  idLength: number,
  aliasLength: number,
): Cell[] {
  const [first, ...others] = aliases;
  const more = others.length > 0 ? ` +${others.length}` : '';
  const alias =
    first === undefined ? '-' : shown(first.replace(/^alias\//, ''), aliasLength - more.length) + more;
  const prefix = keyId.startsWith('mrk-') ? 'mrk-'.length : 0;
  const state = metadata?.keyState ?? '?';
  return [
    { text: alias },
    { text: keyId.slice(0, prefix + idLength) },
    { text: state, style: wordStyle(state) },
    { text: metadata?.keySpec ?? '?' },
    { text: usages[metadata?.keyUsage ?? ''] ?? metadata?.keyUsage ?? '?' },
    { text: lastUse === undefined ? 'never' : durationText(Math.max(0, Date.now() / 1000 - lastUse)) },
  ];
}
