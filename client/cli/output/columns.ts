// Tables for people: a header, and columns separated by two spaces.
import type { Screen, Style } from './style.js';

/** A cell of a table. */
export interface Cell {
  readonly text: string;
  readonly style?: Style | undefined;
}

const gap = '  ';

/** Returns the width of a table in characters. */
export function tableWidth(header: readonly string[], rows: readonly (readonly Cell[])[]): number {
  const widths = widthsOf(header, rows);
  return widths.reduce((sum, width) => sum + width, 0) + gap.length * Math.max(0, widths.length - 1);
}

/**
 * Returns the lines of a table.
 * @param header the name of each column
 * @param rows each with as many cells as the header
 */
export function tableLines(
  header: readonly string[],
  rows: readonly (readonly Cell[])[],
  { paint }: Screen,
): string[] {
  const widths = widthsOf(header, rows);
  const line = (cells: readonly Cell[]) =>
    cells
      .map(({ text, style }, column) => {
        const padding = column === cells.length - 1 ? '' : ' '.repeat(widths[column]! - text.length);
        return (style ? paint(style, text) : text) + padding;
      })
      .join(gap)
      .trimEnd();
  return [line(header.map((text) => ({ text, style: 'bold' }))), ...rows.map(line)];
}

function widthsOf(header: readonly string[], rows: readonly (readonly Cell[])[]): number[] {
  return header.map((name, column) =>
    rows.reduce((widest, row) => Math.max(widest, row[column]!.text.length), name.length),
  );
}
