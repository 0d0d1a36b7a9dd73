// Compares a run with an earlier one.
import { readFileSync } from 'node:fs';
import { figure, ratios, type Row, rowSchema } from './report.js';
import { UsageError } from '../suite.js';

/** Reads the rows of a file that `--json` wrote. @throws UsageError if it cannot be read, or is not such a file */
export function readRows(path: string): Row[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`--compare: ${path} cannot be read: ${(error as Error).message}.`);
  }
  return parseRows(text, path);
}

/** Parses the output of `--json`. @param path path for errors @throws UsageError if a line is not a row, or there is none */
export function parseRows(text: string, path: string): Row[] {
  const lines = text.split('\n').filter((line) => line !== '');
  const rows = lines.map((line, index) => {
    try {
      return rowSchema.parse(JSON.parse(line));
    } catch {
      throw new UsageError(
        `--compare: line ${index + 1} of ${path} is not a figure of this benchmark; the file must be the output of --json.`,
      );
    }
  });
  if (rows.length === 0) throw new UsageError(`--compare: ${path} contains no figures.`);
  return rows;
}

/** A table of all figures and ratios then and now. The ratios matter more, since the figures depend on the machine. */
export function comparison(older: readonly Row[], newer: readonly Row[]): string {
  const before = new Map(older.map((row) => [row.name, row]));
  const lines: string[][] = [['', 'then', 'now', 'now/then', '']];
  for (const row of newer) {
    const old = before.get(row.name);
    if (!old) {
      lines.push([row.name, '-', figure(row.value), '', row.unit]);
      continue;
    }
    lines.push(compared(row.name, old.value, row.value, row.unit));
    for (const [measure, key] of ratios) {
      const [then, now] = [old[key], row[key]];
      if (typeof then === 'number' && typeof now === 'number') lines.push(compared('', then, now, measure));
    }
    for (const [process, now] of Object.entries(row.cpu_us ?? {})) {
      const then = old.cpu_us?.[process];
      if (then !== undefined) lines.push(compared('', then, now, `us CPU of ${process}`));
    }
  }
  const gone = older.filter(({ name }) => !newer.some((row) => row.name === name));
  for (const { name, value, unit } of gone) lines.push([name, figure(value), '-', '', unit]);
  return aligned(lines);
}

function compared(name: string, then: number, now: number, unit: string): string[] {
  return [name, figure(then), figure(now), (now / then).toFixed(2), unit];
}

function aligned(lines: readonly (readonly string[])[]): string {
  const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map(([name, ...rest]) => {
      const cells = rest.map((cell, index) => cell.padStart(widths[index + 1] ?? 0));
      return `${[name!.padEnd(widths[0]!), ...cells].join('  ').trimEnd()}\n`;
    })
    .join('');
}
