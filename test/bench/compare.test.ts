import { test } from 'tap';
import { comparison, parseRows, readRows } from '../../scripts/bench/report/compare.js';
import { asJson, asTable, type Row } from '../../scripts/bench/report/report.js';
import { UsageError } from '../../scripts/bench/suite.js';

const row: Row = {
  name: 'encrypt-64-16x32',
  value: 20_000,
  unit: 'op/s',
  ratio_to_raw: 1.2,
  ratio_to_echo: 0.5,
  cpu_us: { daemon: 20 },
  goals: [{ measure: 'x raw', value: 1.2, bound: 'at least', limit: 1.3 }],
};

void test('rows are read as they were written', (t) => {
  t.same(parseRows(asJson([row]), 'file'), [row]);
  t.match(asJson([row]), '"reached":false');
  t.end();
});

void test('other files are refused, with the line', (t) => {
  const refused = (text: string, message: RegExp) => {
    t.throws(() => parseRows(text, 'run.json'), { constructor: UsageError, message });
  };
  refused('', /run\.json contains no figures/);
  refused('hello', /line 1 of run\.json/);
  refused(`${asJson([row])}{"name":"x","value":"1"}\n`, /line 2 of run\.json/);
  t.throws(() => readRows('/nonexistent/run.json'), { constructor: UsageError, message: /cannot be read/ });
  t.end();
});

void test('the comparison shows ratios of figures, of ratios and of CPU, and new and missing rows', (t) => {
  const now: Row = { ...row, value: 30_000, ratio_to_raw: 1.5, cpu_us: { daemon: 15 } };
  const only: Row = { name: 'only-now', value: 1, unit: 'us', ratio_to_raw: null };
  const lines = comparison([row, { ...only, name: 'only-then' }], [now, only]).split('\n');
  t.match(lines[1], /^encrypt-64-16x32 +20,000 +30,000 +1\.50 +op\/s$/);
  t.match(lines[2], /^ +1\.2 +1\.5 +1\.25 +x raw$/);
  t.match(lines[3], /^ +0\.5 +0\.5 +1\.00 +x echo$/);
  t.match(lines[4], /^ +20 +15 +0\.75 +us CPU of daemon$/);
  t.match(lines[5], /^only-now +- +1 +us$/);
  t.match(lines[6], /^only-then +1 +- +us$/);
  t.end();
});

void test('the table shows for each goal whether it is reached', (t) => {
  t.match(asTable([row]), /1\.2 x raw \(goal: at least 1\.3, MISSED\)/);
  const reached = { ...row, goals: [{ ...row.goals![0]!, value: 1.3 }] };
  t.match(asTable([reached]), /1\.3 x raw \(goal: at least 1\.3, reached\)/);
  t.match(asTable([row]), /0\.50 x echo; .*CPU us: daemon 20/);
  t.end();
});
