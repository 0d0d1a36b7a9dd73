// Sinks on this machine: systemd's journal, Debian's rsyslog over TCP, and syslog over a unix stream socket.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { JournalSettings, SyslogSettings } from '../../../daemon/audit/sinks/kinds.js';
import { absent } from '../../support/programs.js';
import { readLog, until } from '../support.js';
import { openWorld } from './world.js';

/** A unix socket's path has at most 107 bytes. */
const folder = mkdtempSync(join(tmpdir(), 'kh-l-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
let places = 0;
const place = () => join(folder, String(places++));

const confirmation = { confirmInterval: 200, confirmBytes: 64 * 1024 };
const journal = (socket: string): JournalSettings => ({
  ...{ type: 'journal', socket, identifier: 'keyhold-audit', ...confirmation },
});
const syslog = (more: Partial<SyslogSettings>): SyslogSettings => ({
  ...{ type: 'syslog', tls: false, facility: 13, appName: 'keyhold', hostname: 'vault' },
  ...{ enterpriseNumber: 32473, ...confirmation, ...more },
});

/** A stream server that keeps what it receives of each connection. */
async function listen(t: Test, path: string, isSilent: boolean) {
  const streams: string[] = [];
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: isSilent }, (socket) => {
    const at = streams.push('') - 1;
    open.add(socket);
    // journald does so too.
    if (isSilent) socket.end();
    socket.on('data', (data: Buffer) => (streams[at] += data.toString()));
    socket.on('error', () => undefined).on('close', () => open.delete(socket));
  });
  const close = () =>
    new Promise<void>((done) => {
      for (const socket of open) socket.destroy();
      server.close(() => done());
    });
  t.teardown(close);
  await new Promise<void>((done) => server.listen(path, done));
  return { streams, close };
}

void t.test('the form of records for the journal; a socket that vanishes and returns', async (t) => {
  const home = place();
  const world = await openWorld(t, home);
  const path = join(home, 'stdout');
  await world.append(20);
  world.apply(journal(path));
  await until(() => world.errors.length > 0);
  t.match(world.status().lastError, /ENOENT/);
  const first = await listen(t, path, true);
  await world.received();
  await first.close();
  await world.append(20);
  await until(() => world.errors.filter(Boolean).length > 1);
  rmSync(path, { force: true });
  const second = await listen(t, path, true);
  await world.received();
  const streams = [...first.streams, ...second.streams].filter(Boolean);
  const lines = streams.flatMap((stream) => {
    const [identifier, unit, ...rest] = stream.split('\n');
    t.same([identifier, unit, ...rest.slice(0, 5)], ['keyhold-audit', '', '6', '0', '0', '0', '0']);
    t.equal(rest.at(-1), '');
    return rest.slice(5, -1);
  });
  const log = readLog(world.directory);
  t.same([...new Set(lines)], log.slice(0, new Set(lines).size), 'records arrive in order, byte by byte');
  t.ok(new Set(lines).size >= 40);
});

void t.test('a datagram socket is refused with advice', async (t) => {
  const home = place();
  const world = await openWorld(t, home);
  const path = join(home, 'log');
  const python =
    'import socket,sys,time; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1]); time.sleep(60)';
  const child = spawn('python3', ['-c', python, path]);
  t.teardown(() => child.kill());
  await until(() => existsSync(path));
  await world.append(1);
  world.apply(syslog({ socket: path }));
  await until(() => world.errors.length > 0);
  t.match(
    world.status().lastError,
    /is a datagram socket, which Node.js cannot write to: use type 'journal'/,
  );
});

void t.test('syslog over a unix stream socket has the form that syslog-ng accepts', async (t) => {
  const home = place();
  const world = await openWorld(t, home);
  const path = join(home, 'log');
  const { streams } = await listen(t, path, false);
  await world.append(30);
  world.apply(syslog({ socket: path }));
  await world.received();
  const text = streams.join('');
  for (const [at, line] of readLog(world.directory).slice(0, 30).entries())
    t.ok(
      text.includes(`[keyhold@32473 sequence="${at + 1}"] \ufeff${line}`) ||
        text.includes(`sequence="${at + 1}"] ${line}`),
    );
});

const journald = '/lib/systemd/systemd-journald';
const noNamespace = absent('unshare', ['--mount', 'true'], 'mount namespaces', 'util-linux');

void t.test(
  "systemd's journald has every record once",
  { skip: existsSync(journald) ? noNamespace : 'NOT TESTED: needs systemd-journald' },
  async (t) => {
    const home = place();
    const world = await openWorld(t, home);
    const run = join(home, 'run');
    mkdirSync(join(run, 'systemd/journal'), { recursive: true });
    mkdirSync(join(run, 'log/journal'), { recursive: true });
    const start = `mount --bind "${run}" /run && exec ${journald}`;
    const child = spawn('unshare', ['--mount', 'sh', '-c', start], {
      stdio: 'ignore',
      env: { ...process.env, SYSTEMD_LOG_TARGET: 'null' },
    });
    t.teardown(() => child.kill());
    const path = join(run, 'systemd/journal/stdout');
    await until(() => existsSync(path));
    await world.append(300, 'x'.repeat(700));
    world.apply(journal(path));
    await world.received();
    await world.append(100, 'a key – schlüssel');
    await world.received();
    const read = () =>
      execFileSync(
        'journalctl',
        ['--directory', join(run, 'log/journal'), '-t', 'keyhold-audit', '-o', 'cat'],
        {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
          maxBuffer: 1e8,
        },
      )
        .split('\n')
        .filter(Boolean);
    const log = readLog(world.directory).slice(0, 400);
    await until(() => read().length >= 400);
    // journald reads connections at the same time, so the last records of one may follow the first of the next.
    const sequenceOf = (line: string) => (JSON.parse(line) as { sequence: number }).sequence;
    const received = read().sort((one, other) => sequenceOf(one) - sequenceOf(other));
    const wrong = log.filter((line, at) => line !== received[at]);
    t.equal(wrong.length, 0, String(wrong[0]).slice(0, 200));
  },
);

void t.test(
  "Debian's rsyslog takes syslog by TCP on this machine",
  { skip: absent('/usr/sbin/rsyslogd', ['-v'], 'rsyslog', 'rsyslog') },
  async (t) => {
    const home = place();
    const world = await openWorld(t, home);
    const port = await new Promise<number>((done) => {
      const server = createServer().listen(0, '127.0.0.1', () => {
        const address = server.address() as { port: number };
        server.close(() => done(address.port));
      });
    });
    const [configuration, output] = [join(home, 'rsyslog.conf'), join(home, 'received')];
    writeFileSync(
      configuration,
      `global(maxMessageSize="256k")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="${port}")
template(name="message" type="string" string="%structured-data% %msg%\n")
*.* action(type="omfile" file="${output}" template="message")
`,
    );
    const start = () => {
      const child = spawn('/usr/sbin/rsyslogd', ['-n', '-f', configuration, '-i', join(home, 'pid')], {
        stdio: 'ignore',
      });
      t.teardown(() => child.kill('SIGKILL'));
      return child;
    };
    await world.append(100);
    world.apply(syslog({ host: '127.0.0.1', port }));
    await until(() => world.errors.length > 0);
    const first = start();
    await world.received();
    // rsyslog writes its buffer when it ends.
    const ended = new Promise((done) => first.once('exit', done));
    first.kill('SIGTERM');
    await ended;
    await world.append(100, 'y'.repeat(40_000));
    start();
    await world.received();
    const lines = () => readFileSync(output, 'utf8').split('\n').filter(Boolean);
    await until(() => new Set(lines()).size >= 200);
    const log = readLog(world.directory);
    const received = [...new Set(lines())].map((line) =>
      line.replace(/^\[keyhold@32473 sequence="\d+"\] *\ufeff?/, ''),
    );
    t.equal(received.join('\n') === log.slice(0, received.length).join('\n'), true);
  },
);
