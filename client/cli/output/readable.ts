// Formats responses for people on a terminal: names beside values, and lists of objects as tables if they fit.
import type { Json } from '../../../proto/aws/json.js';
import { shown } from '../../../proto/text.js';
import { type Cell, tableLines, tableWidth } from './columns.js';
import type { Screen, Style } from './style.js';

const indent = '  ';

/** Words that are highlighted, in any member. */
const wordStyles: ReadonlyMap<string, Style> = new Map([
  ['Enabled', 'green'],
  ['ALLOWED', 'green'],
  ['CONNECTED', 'green'],
  ['Active', 'green'],
  ['Disabled', 'yellow'],
  ['Inactive', 'yellow'],
  ['PendingImport', 'yellow'],
  ['DISCONNECTED', 'yellow'],
  ['PendingDeletion', 'red'],
  ['Unavailable', 'red'],
  ['EXPLICIT_DENY', 'red'],
  ['IMPLICIT_DENY', 'red'],
  ['FAILED', 'red'],
]);

/** Returns the style of a word such as `Enabled`. @returns undefined if it is not highlighted */
export function wordStyle(word: string): Style | undefined {
  return wordStyles.get(word);
}

/**
 * Returns the text of a response. Control characters are escaped, because descriptions and tags come from others and must
 * not control the terminal.
 * @param value the response with AWS's names
 * @returns lines that end with line feeds; '' if there is nothing to show
 */
export function readableText(value: Json, screen: Screen): string {
  const lines = linesOf(unwrap(value), screen);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** Returns the only structure or list in a response, since most responses contain just one. */
function unwrap(value: Json): Json {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  const [only, ...others] = Object.values(value);
  return others.length === 0 && only !== null && typeof only === 'object' ? only : value;
}

function linesOf(value: Json, screen: Screen): string[] {
  if (isScalar(value)) return scalarLines(value, screen);
  if (Array.isArray(value)) return listLines(value, screen);
  return objectLines(value, screen);
}

function objectLines(object: Record<string, Json>, screen: Screen): string[] {
  const entries = Object.entries(object).map(([name, value]) => [shown(name), value] as const);
  const width = entries.reduce((widest, [name, value]) => {
    return isInline(value) ? Math.max(widest, name.length) : widest;
  }, 0);
  const inner = { ...screen, width: screen.width - indent.length };
  return entries.flatMap(([name, value]) => {
    const title = screen.paint('bold', name);
    if (!isInline(value)) return [title, ...linesOf(value, inner).map((line) => indent + line)];
    const isNone = value !== null && typeof value === 'object' && Object.keys(value).length === 0;
    const [first = '', ...rest] = isNone
      ? [screen.paint('dim', '(none)')]
      : Array.isArray(value)
        ? wordLines(value as Scalar[], screen.width - width - indent.length)
        : scalarLines(value as Scalar, screen);
    const margin = ' '.repeat(width + indent.length);
    return [
      `${title}${' '.repeat(width - name.length)}${indent}${first}`.trimEnd(),
      ...rest.map((line) => margin + line),
    ];
  });
}

function listLines(list: readonly Json[], screen: Screen): string[] {
  if (list.length === 0) return [screen.paint('dim', '(none)')];
  if (!list.every(isObject)) return list.flatMap((item) => linesOf(item, screen));
  const names = [...new Set(list.flatMap((item) => Object.keys(item)))];
  if (list.every((item) => Object.values(item).every(isInline))) {
    // ARNs repeat the ID or name in the same row, so they are left out if there is no room.
    for (const columns of [names, names.filter((name) => !/Arn$/i.test(name))]) {
      const cells = list.map((item) => columns.map((name) => cellOf(item[name] ?? '')));
      if (columns.length > 0 && tableWidth(columns, cells) <= screen.width)
        return tableLines(
          columns.map((name) => shown(name)),
          cells,
          screen,
        );
    }
  }
  return list.flatMap((item, index) => [...(index > 0 ? [''] : []), ...objectLines(item, screen)]);
}

type Scalar = string | number | boolean | null;

function isScalar(value: Json): value is Scalar {
  return value === null || typeof value !== 'object';
}

function isObject(value: Json): value is Record<string, Json> {
  return !isScalar(value) && !Array.isArray(value);
}

/** Whether a value is printed beside its name. */
function isInline(value: Json): boolean {
  if (typeof value === 'string') return documentLines(value) === undefined;
  if (isObject(value)) return Object.keys(value).length === 0;
  return isScalar(value) || (Array.isArray(value) && value.every(isScalar));
}

function cellOf(value: Json): Cell {
  const text = Array.isArray(value) ? value.map((each) => scalarText(each as Scalar)).join(', ') : '';
  const shownText = isScalar(value) ? scalarText(value) : text;
  return { text: shownText, style: wordStyles.get(shownText) };
}

function scalarLines(value: Scalar, { paint }: Screen): string[] {
  const lines = typeof value === 'string' ? documentLines(value) : undefined;
  if (lines) return lines;
  const text = scalarText(value);
  const style = wordStyles.get(text);
  return [style ? paint(style, text) : text];
}

/** Joins words with commas, in as many lines as needed. */
function wordLines(words: readonly Scalar[], width: number): string[] {
  const lines: string[] = [];
  words.map(scalarText).forEach((word, index) => {
    const text = index < words.length - 1 ? `${word},` : word;
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + text.length <= width)
      lines[lines.length - 1] = `${last} ${text}`;
    else lines.push(text);
  });
  return lines;
}

const isoTime = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.\d{6}\+00:00$/;

function scalarText(value: Scalar): string {
  if (typeof value !== 'string') return value === null ? '-' : String(value);
  return shown(value, Infinity).replace(isoTime, '$1 $2 UTC');
}

/** Returns the lines of a policy document. @returns undefined for text that is not a JSON object */
function documentLines(text: string): string[] | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    const lines = JSON.stringify(JSON.parse(text), null, 2).split('\n');
    return lines.map((line) => shown(line, Infinity));
  } catch {
    return undefined;
  }
}
