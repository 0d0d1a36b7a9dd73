// scripts/torture: arguments, progress and exit status.
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { MovableClock } from '../support/clock.js';
import { torture } from './torture.js';

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

const program = new Command('scripts/torture')
  .option('--rounds <n>', 'how many rounds', wholeNumber, 100)
  .option('--minutes <n>', 'as many rounds as fit in that time', wholeNumber)
  .option('--regions', 'two linked Regions: multi-Region keys, and either daemon is killed')
  .option('--seed <s>', 'of the choices', wholeNumber, randomInt(1_000_000))
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();
const { rounds, minutes, regions, seed } = program.opts<{
  rounds: number;
  minutes?: number;
  regions?: boolean;
  seed: number;
}>();
if (regions) process.exit(runWithRegions());

const clockHome = process.env.KEYHOLD_TORTURE_CLOCK;
if (clockHome === undefined) process.exit(runWithMovableClock());

const start = performance.now();
const say = (line: string) => console.log(line);
const extent = minutes === undefined ? `${rounds} rounds` : `${minutes} minutes`;
say(`torture: ${extent} of SIGKILL and faults of the HSM under load with seed ${seed}`);
const goesOn = (done: number) =>
  minutes === undefined ? done < rounds : performance.now() - start < minutes * 60_000;
const report = await torture({ seed, clock: new MovableClock(clockHome), goesOn, say });

const seconds = Math.round((performance.now() - start) / 1000);
say(`${report.rounds} rounds in ${seconds} s: ${report.facts}`);
for (const [answer, count] of [...report.totals].sort()) say(`  ${answer}: ${count}`);
if (report.findings.length === 0) {
  await report.daemon.remove();
} else {
  say(
    `The home with everything in it is ${report.daemon.home}. The same choices again: scripts/torture --seed ${seed}`,
  );
  process.exitCode = 1;
}

/** Runs this program again with a movable wall clock for itself and the daemon. @returns its exit status */
function runWithMovableClock(): number {
  const folder = mkdtempSync(join(tmpdir(), 'kh-clock-'));
  const { env } = new MovableClock(folder);
  const args = [...process.argv.slice(1), '--seed', String(seed)];
  const { status } = spawnSync(process.execPath, args, {
    stdio: 'inherit',
    env: { ...process.env, ...env, KEYHOLD_TORTURE_CLOCK: folder },
  });
  rmSync(folder, { recursive: true, force: true });
  return status ?? 1;
}

/** Runs the test that kills either of two Regions, for as many rounds. @returns its exit status */
function runWithRegions(): number {
  const test = join(import.meta.dirname, '../e2e/regions/kills.test.js');
  const settings = { KEYHOLD_TEST_ROUNDS: String(rounds), KEYHOLD_TEST_SEED: String(seed), TAP_TIMEOUT: '0' };
  const env = { ...process.env, ...settings };
  return spawnSync(process.execPath, [test], { env, stdio: 'inherit' }).status ?? 1;
}
