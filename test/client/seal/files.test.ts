import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdtempSync,
  rmSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { openFile, sealFile } from '../../../client/seal/files.js';
import { collect, softwareKey } from './software-key.js';

const dataKeys = softwareKey();
const keyId = 'alias/files';
const options = { dataKeys, keyId };
const helper = fileURLToPath(new URL('seal-process.js', import.meta.url));

function files(t: Test, content: Uint8Array = randomBytes(300_000)) {
  // Not tap's testdir: a socket's path must fit 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), 'keyhold-seal-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const path = (name: string) => join(folder, name);
  writeFileSync(path('in'), content);
  return { folder, path, content };
}

void t.test('a file is sealed and opened, with progress, readable by its owner alone', async (t) => {
  const { folder, path, content } = files(t, randomBytes(2_000_000));
  const progress: [number, number | undefined][] = [];
  const onProgress = (bytes: number, total: number | undefined) => progress.push([bytes, total]);
  await sealFile(path('in'), path('sealed'), { ...options, onProgress });
  await openFile(path('sealed'), path('out'), options);
  t.ok(readFileSync(path('out')).equals(content));
  t.equal(statSync(path('sealed')).mode & 0o777, 0o600);
  t.equal(statSync(path('out')).mode & 0o777, 0o600);
  t.ok(progress.length > 2);
  t.strictSame(progress.at(-1), [2_000_000, 2_000_000]);
  t.strictSame(readdirSync(folder).sort(), ['in', 'out', 'sealed']);
});

void t.test('a file that does not verify to its end leaves no output file', async (t) => {
  const { folder, path } = files(t);
  await sealFile(path('in'), path('sealed'), options);
  truncateSync(path('sealed'), statSync(path('sealed')).size - 20);
  await t.rejects(openFile(path('sealed'), path('out'), options), { code: 'InvalidSealedFile' });
  t.strictSame(readdirSync(folder).sort(), ['in', 'sealed']);
});

void t.test('an existing output survives a failure, even with force', async (t) => {
  const { folder, path } = files(t);
  writeFileSync(path('out'), 'precious');
  writeFileSync(path('sealed'), 'not sealed');
  await t.rejects(openFile(path('sealed'), path('out'), { ...options, force: true }), {
    code: 'NotASealedFile',
  });
  t.equal(readFileSync(path('out'), 'utf8'), 'precious');
  t.strictSame(readdirSync(folder).sort(), ['in', 'out', 'sealed']);
});

void t.test('an abort leaves no output file', async (t) => {
  const { folder, path } = files(t, randomBytes(5_000_000));
  const controller = new AbortController();
  const reason = new Error('enough');
  const onProgress = (bytes: number) => {
    if (bytes > 1_000_000) controller.abort(reason);
  };
  await t.rejects(
    sealFile(path('in'), path('out'), { ...options, onProgress, signal: controller.signal }),
    reason,
  );
  await t.rejects(sealFile(path('in'), path('out'), { ...options, signal: controller.signal }), reason);
  t.strictSame(readdirSync(folder), ['in']);
});

void t.test('an existing output is replaced only with force', async (t) => {
  const { path, content } = files(t);
  writeFileSync(path('out'), 'precious');
  await t.rejects(sealFile(path('in'), path('out'), options), { code: 'OutputExists' });
  t.equal(readFileSync(path('out'), 'utf8'), 'precious');
  await sealFile(path('in'), path('out'), { ...options, force: true });
  await openFile(path('out'), path('again'), options);
  t.ok(readFileSync(path('again')).equals(content));
});

void t.test('an output that appears while a file is sealed is not overwritten', async (t) => {
  const { folder, path } = files(t);
  const onProgress = () => {
    writeFileSync(path('out'), 'precious');
  };
  await t.rejects(sealFile(path('in'), path('out'), { ...options, onProgress }), { code: 'OutputExists' });
  t.equal(readFileSync(path('out'), 'utf8'), 'precious');
  t.strictSame(readdirSync(folder).sort(), ['in', 'out']);
});

void t.test('input and output that are not regular files are refused with their type', async (t) => {
  const { folder, path } = files(t);
  execFileSync('mkfifo', [path('fifo')]);
  symlinkSync(path('in'), path('link'));
  const server = createServer().listen(path('socket'));
  await once(server, 'listening');
  t.teardown(() => server.close());
  const code = 'UnusableInput';
  await t.rejects(sealFile(folder, path('out'), options), { code, message: /is a directory/ });
  await t.rejects(sealFile(path('fifo'), path('out'), options), { code, message: /is a named pipe/ });
  await t.rejects(sealFile(path('socket'), path('out'), options), { code, message: /is a socket/ });
  await t.rejects(sealFile('/dev/zero', path('out'), options), { code, message: /is a device/ });
  await t.rejects(sealFile(path('none'), path('out'), options), { code, message: /does not exist/ });

  const force = { ...options, force: true };
  const unusable = 'UnusableOutput';
  await t.rejects(sealFile(path('in'), folder, force), { code: unusable, message: /is a directory/ });
  await t.rejects(sealFile(path('in'), path('link'), force), {
    code: unusable,
    message: /is a symbolic link/,
  });
  await t.rejects(sealFile(path('in'), '/dev/null', force), { code: unusable, message: /is a device/ });
  await t.rejects(sealFile(path('in'), path('in'), force), { code: unusable, message: /is the input/ });
  await t.rejects(sealFile(path('in'), path('none/out'), force), {
    code: unusable,
    message: /folder does not/,
  });
  t.strictSame(readdirSync(folder).sort(), ['fifo', 'in', 'link', 'socket']);
});

void t.test('a symbolic link as input is followed', async (t) => {
  const { path, content } = files(t);
  symlinkSync(path('in'), path('link'));
  await sealFile(path('link'), path('sealed'), options);
  await openFile(path('sealed'), path('out'), options);
  t.ok(readFileSync(path('out')).equals(content));
});

void t.test('a file that grows while it is sealed is refused', async (t) => {
  const { folder, path } = files(t);
  const onProgress = () => {
    writeFileSync(path('in'), 'more', { flag: 'a' });
  };
  await t.rejects(sealFile(path('in'), path('out'), { ...options, onProgress }), { code: 'UnusableInput' });
  t.strictSame(readdirSync(folder), ['in']);
});

void t.test("'-' is standard input and standard output", async (t) => {
  const content = randomBytes(1_000_000);
  const piped = async (mode: string, input: Buffer, status: number) => {
    const child = spawn(process.execPath, [helper, mode, '-', '-'], { stdio: ['pipe', 'pipe', 'ignore'] });
    const ended = once(child, 'exit');
    child.stdin.end(input);
    const output = await collect(child.stdout as AsyncIterable<Buffer>);
    t.equal((await ended)[0], status, mode);
    return output;
  };
  const sealed = await piped('seal', content, 0);
  t.ok((await piped('open', sealed, 0)).equals(content));
  const part = await piped('open', sealed.subarray(0, -1), 1);
  t.ok(content.subarray(0, part.length).equals(part), 'only verified bytes are written before the failure');
});

void t.test('an abort ends the wait for a silent pipe', async (t) => {
  const { folder, path } = files(t);
  const child = spawn(process.execPath, [helper, 'seal', '-', path('out')], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const said = collect(child.stderr as AsyncIterable<Buffer>);
  while (readdirSync(folder).length === 1) await setTimeout(10);
  child.kill('SIGTERM');
  t.strictSame(await once(child, 'exit'), [1, null]);
  t.match((await said).toString(), /Error: ended/);
  t.strictSame(readdirSync(folder), ['in']);
});

void t.test('300 MB are sealed and opened in constant memory', async (t) => {
  const { path } = files(t);
  truncateSync(path('in'), 300_000_000);
  const growth = async (mode: string, from: string, to: string) => {
    const child = spawn(process.execPath, [helper, mode, path(from), path(to)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const report = (await collect(child.stderr as AsyncIterable<Buffer>)).toString();
    return Number(/^growth (\d+)\n$/.exec(report)?.[1]);
  };
  const sealing = await growth('seal', 'in', 'sealed');
  const opening = await growth('open', 'sealed', 'out');
  t.ok(sealing < 80_000_000, `sealing took ${sealing} bytes more than at the start`);
  t.ok(opening < 80_000_000, `opening took ${opening} bytes more than at the start`);
  t.equal(statSync(path('out')).size, 300_000_000);
});
