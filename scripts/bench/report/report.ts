// The figures of a run, as JSON and as a table.
import { z } from 'zod';

/** A goal, and the value measured. */
const goalSchema = z.object({
  /** What the value is, with its unit: 'x raw', 'us over echo and fdatasync'. */
  measure: z.string(),
  value: z.number(),
  bound: z.enum(['at least', 'at most']),
  limit: z.number(),
});

/** One figure: a line of the output of `--json`. */
export const rowSchema = z.object({
  name: z.string(),
  value: z.number(),
  unit: z.enum(['op/s', 'us', 'ms', 'MB', 'KB', '%', '']),
  /** Throughput as a multiple of the plain PKCS#11 loop's; null if it is not compared. */
  ratio_to_raw: z.number().nullable(),
  /** Throughput as a multiple of that of a WebSocket server that echoes the same frames. */
  ratio_to_echo: z.number().optional(),
  /** Time of an operation as a multiple of that with ten keys or grants. */
  ratio_to_few: z.number().optional(),
  /** Latency beside another principal as a multiple of that alone. */
  ratio_to_alone: z.number().optional(),
  /** Microseconds of CPU time per operation, by process. */
  cpu_us: z.record(z.string(), z.number()).optional(),
  goals: z.array(goalSchema).optional(),
});

export type Goal = Readonly<z.output<typeof goalSchema>>;
export type Row = Readonly<z.output<typeof rowSchema>>;

/** The ratios of a row: how a table names them, and their members. */
export const ratios = [
  ['x raw', 'ratio_to_raw'],
  ['x echo', 'ratio_to_echo'],
  ['x few', 'ratio_to_few'],
  ['x alone', 'ratio_to_alone'],
] as const;

/** Whether a goal is reached. */
export function isReached({ value, bound, limit }: Goal): boolean {
  return bound === 'at least' ? value >= limit : value <= limit;
}

/** Rows as one JSON object a line, each goal with its verdict. */
export function asJson(rows: readonly Row[]): string {
  return rows.map((row) => `${JSON.stringify({ ...row, goals: row.goals?.map(withVerdict) })}\n`).join('');
}

const withVerdict = (goal: Goal) => ({ ...goal, reached: isReached(goal) });

/** Rows as a table for people. */
export function asTable(rows: readonly Row[]): string {
  const width = Math.max(...rows.map((row) => row.name.length));
  return rows
    .map((row) => {
      const notes = [...ratiosOf(row), ...(row.goals ?? []).map(goalText), ...cpuText(row)].join('; ');
      return `${row.name.padEnd(width)} ${figure(row.value).padStart(9)} ${row.unit.padEnd(5)} ${notes}`;
    })
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

/** A number for people: with two decimals at most if it is below 10, otherwise rounded. */
export function figure(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 0 });
}

/** Texts of the ratios that are not among the goals. */
function ratiosOf(row: Row): string[] {
  const { goals = [] } = row;
  return ratios.flatMap(([measure, member]) => {
    const value = row[member];
    const isShown = typeof value === 'number' && !goals.some((goal) => goal.measure === measure);
    return isShown ? [`${value.toFixed(2)} ${measure}`] : [];
  });
}

function goalText(goal: Goal): string {
  const { measure, value, bound, limit } = goal;
  return `${figure(value)} ${measure} (goal: ${bound} ${figure(limit)}, ${isReached(goal) ? 'reached' : 'MISSED'})`;
}

function cpuText({ cpu_us: cpu }: Row): string[] {
  if (!cpu) return [];
  const parts = Object.entries(cpu).map(([process, value]) => `${process} ${figure(value)}`);
  return [`CPU us: ${parts.join(', ')}`];
}
