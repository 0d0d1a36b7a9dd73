// Tables for terminals.

/**
 * Formats rows as columns that are two blanks apart. The last column has no fixed width.
 * @param rows all with the same number of cells
 * @returns lines with line feeds
 */
export function columns(rows: readonly (readonly string[])[]): string {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, column) =>
    Math.max(...rows.map((row) => row[column]!.length)),
  );
  return rows
    .map((row) => `${row.map((cell, n) => (n === count - 1 ? cell : cell.padEnd(widths[n]!))).join('  ')}\n`)
    .join('');
}
