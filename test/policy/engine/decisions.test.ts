import t from 'tap';
import { actionsAndResources } from './decisions/actions-resources.js';
import { denies } from './decisions/denies.js';
import { keyPolicies } from './decisions/key-policies.js';
import { conditionKeys } from './decisions/condition-keys.js';
import { trustPolicies } from './decisions/trust.js';
import { variables } from './decisions/variables.js';
import { limitsAndGrants } from './decisions/limits-grants.js';
import { numbersAndDates } from './decisions/numbers-dates.js';
import { otherOperators } from './decisions/other-operators.js';
import { ifExists, setOperators } from './decisions/set-operators.js';
import { strings } from './decisions/strings.js';
import { naiveDecision } from './naive.js';
import { decideRow, type Row } from './world.js';

const themes: Readonly<Record<string, readonly Row[]>> = {
  'key policies and delegation': keyPolicies,
  'explicit denies and NotPrincipal': denies,
  'boundaries, session policies and grants': limitsAndGrants,
  'actions and resources': actionsAndResources,
  'condition keys': conditionKeys,
  'policy variables': variables,
  'trust policies': trustPolicies,
  'string operators': strings,
  'numeric and date operators': numbersAndDates,
  'Boolean, binary, address, ARN and null operators': otherOperators,
  'set operators': setOperators,
  IfExists: ifExists,
};

for (const [theme, rows] of Object.entries(themes)) {
  void t.test(`${theme} decide as AWS documents it`, (t) => {
    for (const row of rows) {
      t.equal(decideRow(row), row.expect, row.it);
      t.equal(naiveDecision(row), row.expect, `${row.it} (naive evaluator)`);
    }
    t.end();
  });
}

void t.test('the table has at least 300 decisions, with unique names in each theme', (t) => {
  const all = Object.values(themes);
  t.ok(all.flat().length >= 300, `${all.flat().length} decisions`);
  for (const rows of all) t.equal(new Set(rows.map(({ it }) => it)).size, rows.length);
  t.end();
});
