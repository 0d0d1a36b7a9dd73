// Counts the assertions of a TAP stream, prints 'N passed, N failed', and fails where one failed, where the runner
// failed, or where nothing ran. Usage: summary.mjs FILE RUNNER_STATUS
import { readFileSync } from 'node:fs';

const [file, status] = process.argv.slice(2);
const lines = readFileSync(file, 'utf8').split('\n');
let passed = 0;
let failed = 0;
let skipped = 0;
for (const [index, line] of lines.entries()) {
  const result = /^\s*(not )?ok \d+/.exec(line);
  // A subtest's own line sums up the ones before it, which stand indented: "ok 1 - name {" or after a "1..N" plan.
  if (
    !result ||
    /\{$/.test(line) ||
    /^\s+1\.\.\d+/.test(lines[index - 1] ?? '') ||
    /^\s+\}/.test(lines[index - 1] ?? '')
  )
    continue;
  if (/# (skip|todo)/i.test(line)) skipped += 1;
  else if (result[1]) failed += 1;
  else passed += 1;
}
if (Number(status) !== 0 && failed === 0) failed = 1;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
