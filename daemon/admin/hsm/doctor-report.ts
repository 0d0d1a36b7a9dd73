// The output of doctor.
import { stringify } from 'yaml';
import { type Examined, lacksOf } from '../../keys/index.js';
import { columns } from '../text-table.js';
import type { Check } from './doctor-checks.js';

/** The findings of doctor. */
export interface Findings {
  readonly checks: readonly Check[];
  readonly rows: readonly Examined[];
  readonly advice: readonly string[];
}

type Form = (findings: Findings) => string;

const asJson: Form = ({ checks, rows, advice }) =>
  [...checks, ...rows, ...advice.map((text) => ({ advice: text }))]
    .map((each) => `${JSON.stringify(each)}\n`)
    .join('');

const asTable: Form = ({ checks, rows, advice }) =>
  [
    columns(checks.map(({ check, ok, detail }) => [check, ok ? 'ok' : 'WRONG', detail])),
    columns(
      rows.map(({ keySpec, keyUsage, algorithm, mechanism, supported, reason = '', milliseconds }) => [
        keySpec,
        keyUsage,
        algorithm,
        supported ? 'yes' : 'no',
        milliseconds === undefined ? '' : `${milliseconds.toFixed(1)} ms`,
        reason || mechanism,
      ]),
    ),
    ...advice.map((text) => `- ${text}\n`),
  ].join('\n');

/** The `lacks` of a profile. */
const asLacks: Form = ({ rows }) => stringify({ lacks: lacksOf(rows) }, { lineWidth: 0 });

/** The output formats. */
export const forms = { table: asTable, json: asJson, lacks: asLacks } as const;
