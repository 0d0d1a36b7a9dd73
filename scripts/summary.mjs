// Prints 'N passed, N failed' from the totals at the end of tap's output, and fails where one failed, where the runner
// failed, or where nothing ran. Usage: summary.mjs FILE RUNNER_STATUS
import { readFileSync } from 'node:fs';

const [file, status] = process.argv.slice(2);
const totals = /^# \{ (.*) \}$/m.exec(readFileSync(file, 'utf8').split('\n').reverse().join('\n'))?.[1] ?? '';
const count = (name) => Number(new RegExp(`${name}: (\\d+)`).exec(totals)?.[1] ?? 0);
const failed = count('fail') || (Number(status) === 0 ? 0 : 1);
const passed = count('pass');
const skipped = count('skip') + count('todo');
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
