// Prints what failed, with its diagnostics, and 'N passed, N failed' from the totals at the end of tap's outputs. Fails
// where a test failed, where the runner failed, or where nothing ran. Usage: summary.mjs RUNNER_STATUS FILE ...
import { readFileSync } from 'node:fs';

const [status, ...files] = process.argv.slice(2);
const DIAGNOSTIC_LINES = 40;

/** The lines of each 'not ok' and of what is said about it. A reporter that redraws the terminal leaves none in a log. */
function failures(text) {
  const lines = text.split('\n');
  return lines.flatMap((line, at) => {
    const [, indent] = /^( *)not ok /.exec(line) ?? [];
    if (indent === undefined) return [];
    const rest = lines.slice(at + 1, at + 1 + DIAGNOSTIC_LINES);
    const next = rest.findIndex(
      (each) => each.startsWith(`${indent}ok `) || /^ *(not ok |# Subtest)/.test(each),
    );
    return [line, ...(next < 0 ? rest : rest.slice(0, next))];
  });
}

const texts = files.map((file) => readFileSync(file, 'utf8'));
for (const line of texts.flatMap(failures)) console.log(line);
const totals = texts.map((text) => text.slice(text.lastIndexOf('\n# { ')).split('\n')[1] ?? '');
const count = (name) => {
  const counts = totals.map((total) => Number(new RegExp(`${name}: (\\d+)`).exec(total)?.[1] ?? 0));
  return counts.reduce((sum, each) => sum + each, 0);
};
const passed = count('pass');
const failed = count('fail') || (status === '0' ? 0 : 1);
const skipped = count('skip') + count('todo');
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
