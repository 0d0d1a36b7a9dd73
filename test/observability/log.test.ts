// The log is bounded, whatever is logged, and failures of the log never stop the process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Health } from '../../daemon/observability/health.js';
import { checkout } from '../support/paths.js';

const room = (name: string) => JSON.stringify(join(checkout, `dist/daemon/observability/${name}.js`));

/** Runs a program with a log. @param stderr a file descriptor; undefined: a pipe that is read */
async function run(program: string, stderr?: number) {
  const text = `
    const { createLog } = await import(${room('log')});
    const { Coalescing } = await import(${room('coalescing')});
    const { UnhandledFailures } = await import(${room('last-resort')});
    const coalescing = new Coalescing();
    const log = createLog('info', coalescing);
    ${program}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], {
    stdio: ['ignore', 'pipe', stderr ?? 'pipe'],
  });
  let [output, errors] = ['', ''];
  child.stdout!.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr?.on('data', (data: Buffer) => (errors += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  const lines = errors
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, output, errors, lines };
}

void t.test('a lasting failure is ten lines a minute, and a count', async (t) => {
  const { code, lines } = await run(`
    for (let each = 0; each < 5_000; each++)
      log.error({ err: new Error('no space left on device ' + each) }, 'the disk is full');
    log.info('another sentence');
    coalescing.flush();
    log.error('the disk is full');`);
  t.equal(code, 0);
  t.equal(lines.filter(({ msg }) => msg === 'the disk is full').length, 11, 'the next minute counts anew');
  t.match(
    lines.filter(({ repeated }) => repeated),
    [{ level: 50, times: 4_990, repeated: 'the disk is full' }],
  );
  t.match(lines.at(-3), { msg: 'another sentence' });
});

void t.test('unlimited variations of a sentence count as one', async (t) => {
  const { lines } = await run(`
    for (let each = 0; each < 5_000; each++) log.error('sentence ' + each);
    coalescing.flush();`);
  t.equal(lines.length, 1_011);
  t.match(lines.at(-1), { times: 3_990, repeated: 'other sentences' });
});

void t.test('a line is bounded, valid JSON in UTF-8, and has no control characters', async (t) => {
  const { lines, errors } = await run(`
    const hostile = '\\ud800\\u0000\\u202e\\u001b[2J' + 'x'.repeat(1_000_000);
    log.warn({ hostile, err: new Error(hostile) }, 'first');
    log.error(new Error(hostile));`);
  t.equal(lines.length, 2);
  t.match(lines[0], { hostile: /^\\ud800\\u0000\\u202e\\u001b\[2Jx+…$/, err: { message: /^\\ud800/ } });
  t.ok(errors.length < 40_000, `${errors.length} characters`);
  t.notMatch(errors, /\ufffd/);
});

void t.test('a full disk or a closed pipe loses lines, and never stops the process', async (t) => {
  const full = openSync('/dev/full', 'w');
  const program = `
    for (let each = 0; each < 2_000; each++) log.error('line ' + each + 'x'.repeat(500));
    await new Promise((done) => setTimeout(done, 50));
    console.log('alive');`;
  t.match(await run(program, full), { code: 0, output: 'alive\n' });
  closeSync(full);
  const gone = await run(`(await import('node:fs')).closeSync(2); ${program}`);
  t.match(gone, { code: 0, output: 'alive\n' });
});

void t.test('an unhandled rejection is logged and counted, whatever was thrown', async (t) => {
  const { code, output, lines } = await run(`
    const unhandled = new UnhandledFailures(log);
    process.on('unhandledRejection', unhandled.note);
    console.log(unhandled.warnings.length);
    Promise.reject(new Error('first'));
    Promise.reject(undefined);
    Promise.reject({ toString() { throw new Error('no text'); } });
    await new Promise((done) => setTimeout(done, 50));
    console.log(unhandled.warnings);`);
  t.equal(code, 0);
  t.match(output, /^0\n\[\n? *'3 unhandled internal errors, the last at 20/);
  t.match(lines, [{ err: { message: 'first' } }, { err: { message: 'undefined' } }]);
});

void t.test('a report is unhealthy for a reason, or not at all', (t) => {
  const details = { keyStores: {}, audit: { available: true, sinks: {}, sequence: 0, hash: '' } };
  t.match(new Health([], ['worth knowing'], details), { healthy: true, warnings: ['worth knowing'] });
  t.match(new Health(['broken'], ['worth knowing'], details), {
    healthy: false,
    warnings: ['broken', 'worth knowing'],
  });
  t.end();
});
