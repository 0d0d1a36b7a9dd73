// Runs test files side by side, prints a line for each as it ends and what failed in it, and adds its counts to a file.
// var/test-times.json keeps how long each file took, and how much CPU: of all processes that it started and waited for,
// which leaves out the workers of daemons that it killed.
// Usage: run-tests.mjs RESULTS NAME FILE ...
//   RESULTS   gets a line of JSON for the run: {passed, failed, skipped, cpu}
//   NAME      of the run, printed before each line; '' for none
// TAP_TIMEOUT: seconds that one file may take (600).
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Parser } from 'tap-parser';

const [results, name, ...files] = process.argv.slice(2);
const timeout = Number(process.env.TAP_TIMEOUT ?? 600);
/** Seconds that a file has to end by itself after its time-out. */
const grace = 20;
/** One more than there are cores, because tests spend half of their time waiting for their own processes. */
const jobs = availableParallelism() + 1;
/** Durations of each file in the last run, {milliseconds, cpu}. The longest start first, so none runs alone at the end. */
const timesFile = 'var/test-times.json';
const times = readTimes();
/** `cpu` in milliseconds. */
const total = { passed: 0, failed: 0, skipped: 0, cpu: 0 };
const running = new Set();

function readTimes() {
  try {
    return JSON.parse(readFileSync(timesFile, 'utf8'));
  } catch {
    return {};
  }
}

/** An initialised home that was never started. Test daemons begin with a copy of it (test/support/daemon.ts). */
const template = mkdtempSync(join(tmpdir(), 'kh-template-'));
execFileSync(process.execPath, ['dist/daemon/admin/init.js', '--make-token'], {
  env: { ...process.env, KEYHOLD_HOME: template },
  stdio: ['ignore', 'ignore', 'inherit'],
});

const titleOf = (file) => file.replace(/^dist\/test\//, '').replace(/\.test\.js$/, '');
/** The assumed duration of new files: tests that start daemons take longest. */
const guess = (title) => (title.startsWith('e2e/') ? 30_000 : 5_000);
const expected = (file) => times[titleOf(file)]?.milliseconds ?? guess(titleOf(file));

/** Runs its arguments, then writes the CPU time of all their processes, as printed by `times`, to file descriptor 3. */
const timed = '"$0" "$@" 3>&-; status=$?; times >&3; exit $status';

/** @returns milliseconds of user and system CPU time of the shell's children; 0 if the shell was killed */
function cpuOf(text) {
  const [, ...parts] = /\n(\d+)m([\d.]+)s (\d+)m([\d.]+)s/.exec(text) ?? ['', 0, 0, 0, 0];
  const [userMinutes, userSeconds, systemMinutes, systemSeconds] = parts.map(Number);
  return Math.round((userMinutes + systemMinutes) * 60_000 + (userSeconds + systemSeconds) * 1_000);
}

/** Runs a test file, adds its counts and prints its line. @returns {Promise<void>} */
async function run(file) {
  const began = performance.now();
  const child = spawn('bash', ['-c', timed, process.execPath, '--enable-source-maps', file], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, TAP: '1', TAP_TIMEOUT: String(timeout), KEYHOLD_TEST_TEMPLATE: template },
    // A process group of its own, so that all its processes can be ended with it.
    detached: true,
  });
  running.add(child);
  const said = [];
  const parser = new Parser();
  // The root parser emits these for the assertions of all subtests, and for subtests that failed without an assertion.
  let passed = 0;
  let skipped = 0;
  const failures = [];
  parser.on('pass', () => passed++);
  parser.on('skip', () => skipped++);
  parser.on('todo', () => skipped++);
  parser.on('fail', (result) => failures.push(result));
  const complete = new Promise((resolve) => parser.on('complete', resolve));
  child.stdout.pipe(parser);
  child.stderr.on('data', (data) => said.push(data));
  let spent = '';
  child.stdio[3].on('data', (data) => (spent += data.toString()));
  let late = false;
  const timer = setTimeout(
    () => {
      late = true;
      killGroup(child);
    },
    (timeout + grace) * 1000,
  );
  const status = await new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('exit', (code, signal) => resolve(code ?? signal));
  });
  clearTimeout(timer);
  // Processes that a test left behind would keep its output open.
  killGroup(child);
  running.delete(child);
  const { ok, bailout } = await complete;
  const broken = late
    ? `it was ended after ${timeout + grace} s`
    : bailout
      ? `it bailed out: ${bailout}`
      : failures.length === 0 && (status !== 0 || !ok)
        ? `it ended with ${status}`
        : undefined;
  const failed = failures.length + (broken ? 1 : 0);
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  const milliseconds = Math.round(performance.now() - began);
  const cpu = cpuOf(spent);
  total.cpu += cpu;
  times[titleOf(file)] = { milliseconds, cpu };
  tell(file, { passed, failed, skipped, milliseconds, cpu });
  const output = Buffer.concat(said).toString();
  if (output.includes('NOT TESTED') || failed > 0) process.stdout.write(indent(output));
  for (const { fullname, diag } of failures)
    process.stdout.write(indent(`not ok: ${fullname}\n${details(diag)}`));
  if (broken) process.stdout.write(indent(`${broken}\n`));
}

function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group has ended already.
  }
}

function tell(file, { passed, failed, skipped, milliseconds, cpu }) {
  const counts = [
    `${passed} passed`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ];
  const seconds = (time) => (time / 1000).toFixed(1).padStart(6);
  console.log(
    `${name}${failed > 0 ? 'NOT OK' : 'ok    '} ${seconds(milliseconds)} s ${seconds(cpu)} s CPU  ${titleOf(file)} (${counts.join(', ')})`,
  );
}

const indent = (text) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => `       ${line}\n`)
    .join('');

/** Formats tap's diagnostics of a failure, without the source, and cut if they are long. */
function details({ source: _, ...diagnostics } = {}) {
  const text = JSON.stringify(diagnostics, undefined, 2).replaceAll('\\n', '\n');
  return text.length > 4_000 ? `${text.slice(0, 4_000)} …\n` : `${text}\n`;
}

process.on('exit', () => {
  for (const child of running) killGroup(child);
  rmSync(template, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    total.failed++;
    finish(`Stopped by ${signal}.`);
    process.exit(130);
  });

function finish(why) {
  if (why) console.log(why);
  appendFileSync(results, `${JSON.stringify(total)}\n`);
}

const queue = [...files].sort((a, b) => expected(b) - expected(a));
await Promise.all(
  Array.from({ length: Math.min(jobs, queue.length) }, async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) await run(file);
  }),
);
mkdirSync(dirname(timesFile), { recursive: true });
writeFileSync(timesFile, `${JSON.stringify(times, undefined, 1)}\n`);
console.log(`${name}${Math.round(performance.now() / 1000)} s, ${Math.round(total.cpu / 1000)} s of CPU`);
finish();
process.exitCode = total.failed > 0 ? 1 : 0;
