// Prints 'N passed, N failed' from the totals at the end of tap's outputs, and fails where a test failed, where the runner
// failed, or where nothing ran. Usage: summary.mjs RUNNER_STATUS FILE ...
import { readFileSync } from 'node:fs';

const [status, ...files] = process.argv.slice(2);
const totals = files.map((file) => {
  const text = readFileSync(file, 'utf8');
  return text.slice(text.lastIndexOf('\n# { ')).split('\n')[1] ?? '';
});
const count = (name) => {
  const counts = totals.map((total) => Number(new RegExp(`${name}: (\\d+)`).exec(total)?.[1] ?? 0));
  return counts.reduce((sum, each) => sum + each, 0);
};
const passed = count('pass');
const failed = count('fail') || (status === '0' ? 0 : 1);
const skipped = count('skip') + count('todo');
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
