import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { VerifyReport } from '../../daemon/audit/verify.js';
import { members, openLog, publicKey, readLog, signer } from '../audit/support.js';

const programOf = (name: string) =>
  fileURLToPath(new URL(`../../daemon/admin/${name.replace('-', '/')}.js`, import.meta.url));

function start(
  name: string,
  args: readonly string[],
  environment: Record<string, string> = {},
): ChildProcess {
  return spawn(process.execPath, [programOf(name), ...args], {
    env: { PATH: process.env.PATH, ...environment },
  });
}

async function run(name: string, args: readonly string[], environment?: Record<string, string>) {
  const child = start(name, args, environment);
  const closed = once(child, 'close') as Promise<[number | null, string | null]>;
  const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!)]);
  return { code: (await closed)[0], stdout, stderr };
}

/** A home with a log of eight events and a checkpoint. Its path is short, because a socket is in it. */
async function makeHome(test: Pick<typeof t, 'teardown'>): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'keyhold-audit-'));
  test.teardown(() => rmSync(home, { recursive: true }));
  const { log } = await openLog(join(home, 'audit'));
  for (let index = 0; index < 8; index++) await log.append(members(index));
  await log.close();
  writeFileSync(join(home, 'audit-public-key.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  return home;
}

const logFile = (home: string) => join(home, 'audit', 'audit-00000001.jsonl');

/** Answers GET /healthz on the home's socket, as a daemon does. */
async function answer(
  test: Pick<typeof t, 'teardown'>,
  home: string,
  body: string,
  status = 200,
): Promise<void> {
  const server = createServer((request, response) => {
    response
      .writeHead(request.url === '/healthz' ? status : 404, { 'content-type': 'application/json' })
      .end(body);
  });
  server.listen(join(home, 'keyhold.sock'));
  await once(server, 'listening');
  test.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())));
}

await t.test('audit verify of an intact log exits 0, and says what it did not check', async (t) => {
  const home = await makeHome(t);
  const { code, stdout, stderr } = await run('audit-verify', ['--home', home]);
  t.equal(code, 0, stderr);
  t.match(
    stdout,
    'The audit log is whole.\n9 records in 1 files, 1 checkpoints\nauthenticated up to record 8',
  );
  t.match(stdout, 'truncation not checked: no daemon is running; use --expect-checkpoint N');
  const json = await run('audit-verify', ['--json'], { KEYHOLD_HOME: home });
  t.match(JSON.parse(json.stdout), {
    whole: true,
    records: 9,
    newestCheckpoint: 8,
    truncationChecked: false,
  });
  const copy = await run('audit-verify', [
    '--dir',
    join(home, 'audit'),
    '--public-key',
    join(home, 'audit-public-key.pem'),
  ]);
  t.match(copy.stdout, 'truncation not checked: the log was named by --dir');
});

await t.test('audit verify takes the public key in DER too', async (t) => {
  const home = await makeHome(t);
  const file = join(home, 'key.der');
  writeFileSync(file, publicKey.export({ type: 'spki', format: 'der' }));
  t.equal((await run('audit-verify', ['--home', home, '--public-key', file])).code, 0);
});

await t.test(
  'audit verify of a broken log exits 1, and names the record, the place and the reason',
  async (t) => {
    const home = await makeHome(t);
    writeFileSync(logFile(home), readFileSync(logFile(home), 'utf8').replace('event-3', 'event-4'));
    const { code, stdout } = await run('audit-verify', ['--home', home]);
    t.equal(code, 1);
    t.match(
      stdout,
      'BROKEN at record 4, audit-00000001.jsonl line 4: changed: record 5 gives another hash for record 4',
    );
    const json = await run('audit-verify', ['--home', home, '--json']);
    t.equal(json.code, 1);
    t.match(JSON.parse(json.stdout) as VerifyReport, {
      whole: false,
      fault: { kind: 'changed', sequence: 4 },
    });
  },
);

await t.test(
  'audit verify finds a truncation by --expect-checkpoint, and by the head of a running daemon',
  async (t) => {
    const home = await makeHome(t);
    t.equal((await run('audit-verify', ['--home', home, '--expect-checkpoint', '8'])).code, 0);
    const { code, stdout } = await run('audit-verify', ['--home', home, '--expect-checkpoint', '9']);
    t.equal(code, 1);
    t.match(stdout, 'truncated');
    const { log } = await openLog(join(home, 'audit'));
    const { sequence, hash } = log.head;
    await log.close();
    // 503: a daemon without its HSM has a log too.
    await answer(t, home, JSON.stringify({ status: 'ill', audit: { sequence, hash } }), 503);
    const online = await run('audit-verify', ['--home', home]);
    t.equal(online.code, 0, online.stderr);
    t.match(online.stdout, 'truncation checked');
    writeFileSync(
      logFile(home),
      readLog(join(home, 'audit'))
        .slice(0, 8)
        .map((line) => line + '\n')
        .join(''),
    );
    const cut = await run('audit-verify', ['--home', home]);
    t.equal(cut.code, 1);
    t.match(
      cut.stdout,
      'BROKEN at record 9, audit-00000001.jsonl line 8: truncated: the daemon has written 9 records',
    );
  },
);

await t.test(
  'audit verify exits 2 for wrong usage and what it cannot read, and says what to do',
  async (t) => {
    const home = await makeHome(t);
    const bad = join(home, 'bad.pem');
    writeFileSync(bad, 'no key');
    const cases: [string[], RegExp][] = [
      [[], /no home is given: use --home DIR or set KEYHOLD_HOME/],
      [['--home', home, '--nonsense'], /unknown option '--nonsense'/],
      [['--home', home, '--expect-checkpoint', '-1'], /must be a whole number/],
      [['--home', home, 'more'], /too many arguments/],
      [['--home', home, '--public-key', join(home, 'none')], /ENOENT.*name its file with --public-key/],
      [['--home', home, '--public-key', bad], /is not a public key in PEM or DER/],
      [['--home', home, '--dir', join(home, 'none')], /there is no audit log in/],
      [['--home', home, '--dir', home], /There is no audit log in/],
    ];
    for (const [args, message] of cases) {
      const { code, stdout, stderr } = await run('audit-verify', args);
      t.equal(code, 2, args.join(' '));
      t.match(stderr, message);
      t.equal(stdout, '');
    }
    await answer(t, home, '{"status":"ok"}');
    const odd = await run('audit-verify', ['--home', home]);
    t.equal(odd.code, 2);
    t.match(odd.stderr, 'does not name the newest record of an audit log');
  },
);

await t.test('audit tail prints the last records as they are, across files', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'keyhold-audit-'));
  t.teardown(() => rmSync(home, { recursive: true }));
  const { log } = await openLog(join(home, 'audit'), { maxFileSize: 1000 });
  for (let index = 0; index < 30; index++) await log.append(members(index));
  await log.close();
  const lines = readLog(join(home, 'audit'));
  appendFileSync(logFile(home).replace('01.jsonl', '99.jsonl'), '{"sequence":32,"prev');
  for (const [args, count] of [
    [[], 10],
    [['-n', '3'], 3],
    [['-n', '0'], 0],
    [['-n', '25'], 25],
    [['-n', '999'], 31],
  ] as const) {
    const { code, stdout } = await run('audit-tail', ['--home', home, ...args]);
    t.equal(code, 0);
    t.equal(
      stdout,
      lines
        .slice(31 - count)
        .map((line) => line + '\n')
        .join(''),
      args.join(' '),
    );
  }
});

await t.test('audit tail exits 2 for wrong usage and without a log', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'keyhold-audit-'));
  t.teardown(() => rmSync(home, { recursive: true }));
  for (const args of [[], ['--home', home], ['--home', home, '-n', 'x'], ['--home', home, '--x']]) {
    const { code, stderr } = await run('audit-tail', args);
    t.equal(code, 2);
    t.not(stderr, '');
  }
});

await t.test(
  'audit tail -f follows over new files, misses and repeats nothing, and Ctrl-C ends it quietly',
  async (t) => {
    const home = await makeHome(t);
    const directory = join(home, 'audit');
    const child = start('audit-tail', ['-f', '-n', '2', '--home', home]);
    const closed = once(child, 'close') as Promise<[number | null, string | null]>;
    t.teardown(() => child.kill('SIGKILL'));
    let printed = '';
    child.stdout!.on('data', (data: Buffer) => (printed += data.toString()));
    const errors = text(child.stderr!);
    const printedLines = () => printed.split('\n').slice(0, -1);
    const settle = async (count: number) => {
      while (printedLines().length < count) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await settle(2);
    const { log } = await openLog(directory, { maxFileSize: 4000, signer });
    for (let index = 0; index < 100; index++) {
      await Promise.all(Array.from({ length: 4 }, () => log.append(members(index))));
    }
    await log.close();
    const expected = readLog(directory).slice(7);
    await settle(expected.length);
    t.same(printedLines(), expected);
    child.kill('SIGINT');
    t.same(await closed, [0, null]);
    t.equal(await errors, '');
  },
);

await t.test('audit tail ends quietly when its reader closes the pipe', async (t) => {
  const home = await makeHome(t);
  const { log } = await openLog(join(home, 'audit'));
  const child = start('audit-tail', ['-f', '--home', home]);
  t.teardown(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const errors = text(child.stderr!);
  await once(child.stdout!, 'data');
  child.stdout!.destroy();
  await log.append(members(1, 'x'.repeat(200_000)));
  t.same(await exited, [0, null]);
  t.equal(await errors, '');
  await log.close();
});
