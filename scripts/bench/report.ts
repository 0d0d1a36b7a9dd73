/** One figure. */
export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: 'op/s' | 'us' | 'ms' | 'MB';
  /** Of Keyhold's own throughput: how many times the plain loop's. */
  readonly ratio_to_raw: number | null;
  /** Time that an operation takes, as a multiple of that with ten keys. */
  readonly ratio_to_few?: number;
}

/** One JSON object a line. */
export function asJson(rows: readonly Row[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

export function asTable(rows: readonly Row[]): string {
  const width = Math.max(...rows.map((row) => row.name.length));
  return rows
    .map(({ name, value, unit, ratio_to_raw: toRaw, ratio_to_few: toFew }) => {
      const ratio = toRaw !== null ? ` ${toRaw.toFixed(2)} x raw` : toFew ? ` ${toFew.toFixed(2)} x few` : '';
      const digits = value < 10 ? 2 : 0;
      const figure = value.toLocaleString('en', { maximumFractionDigits: digits }).padStart(9);
      return `${name.padEnd(width)} ${figure} ${unit.padEnd(5)}${ratio}\n`;
    })
    .join('');
}
